"""Serving on Kubernetes: the cluster, its attachment to the workspace, and its metrics."""
