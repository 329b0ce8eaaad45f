"""Runs the workflow files of GitHub Actions and Azure Pipelines on this machine, without knowing what they call."""
