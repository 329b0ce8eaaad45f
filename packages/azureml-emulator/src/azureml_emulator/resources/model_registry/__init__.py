"""MLflow's model registry: MLflow's view of the models of a workspace or of a registry."""
