"""Routing of scoring requests: the choice of a deployment, and the exchange with its server."""
