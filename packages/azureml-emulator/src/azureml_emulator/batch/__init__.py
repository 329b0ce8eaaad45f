"""Batch endpoints: deployments that keep what is to be run, and invocations that make jobs of it."""
