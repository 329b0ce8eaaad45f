"""Retires unreferenced models and deployments after a grace period."""
