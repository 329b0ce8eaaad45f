"""GitHub Actions: workflow files read, planned and run by GitHub's rules."""
