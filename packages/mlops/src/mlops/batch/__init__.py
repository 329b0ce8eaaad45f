"""Batch scoring: a stage's batch endpoint, its deployments, and files that are scored with them."""
