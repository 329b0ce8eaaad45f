"""The services beside the control plane: scoring, run history, MLflow, batch endpoints."""
