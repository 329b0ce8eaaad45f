"""Requests and answers that deployments collected, and outcomes that became known later (extra `tables`)."""
