"""Runs the workflow files of GitHub Actions and Azure Pipelines on this machine; knows nothing of what they call."""
