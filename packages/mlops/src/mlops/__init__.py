"""The `mlops` command: everything that CI and people run."""
