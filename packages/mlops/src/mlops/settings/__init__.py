"""What a fork states in YAML: project.yml and everything in releases/, read once, validated, frozen."""
