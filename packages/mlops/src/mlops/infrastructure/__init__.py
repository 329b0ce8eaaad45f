"""From what the infrastructure made to project.yml."""
