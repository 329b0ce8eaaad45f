"""Online endpoints: deployments as processes, traffic between them."""
