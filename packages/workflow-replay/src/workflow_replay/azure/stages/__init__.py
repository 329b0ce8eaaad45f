"""Runs stages and jobs: order, approvals, locks, matrices, deployments."""
