"""Repository protection as code: applies releases/protection.yml to GitHub and Azure DevOps."""
