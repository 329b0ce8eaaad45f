"""Online endpoints and deployments as resources: what a control plane request changes."""
