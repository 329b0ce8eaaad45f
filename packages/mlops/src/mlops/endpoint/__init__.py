"""The current state of an endpoint: deployments, traffic, health, and how it is called."""
