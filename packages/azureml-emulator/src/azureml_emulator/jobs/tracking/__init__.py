"""MLflow: the server process, and the runs of jobs in it."""
