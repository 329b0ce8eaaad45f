"""Batch scoring with a released model: the batch endpoint, its deployments, and calls to it."""
