"""An endpoint as it stands: deployments, traffic, health, and how it is called."""
