"""Batch endpoints: their deployments, and the jobs that their invocations start."""
