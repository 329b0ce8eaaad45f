"""The way from a released model to predictions for files: a batch endpoint, its deployments, and calls of it."""
