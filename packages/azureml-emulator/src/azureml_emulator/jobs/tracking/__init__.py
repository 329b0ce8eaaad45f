"""MLflow: its server process, and the runs of jobs in it."""
