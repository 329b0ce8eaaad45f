"""Online endpoints and deployments as resources of the control plane."""
