"""Online endpoints: deployments and their servers, routing, metrics, data collection."""
