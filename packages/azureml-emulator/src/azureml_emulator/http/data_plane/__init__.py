"""The data plane: scoring, run history, MLflow tracking, and invocations of batch endpoints."""
