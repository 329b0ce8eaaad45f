"""What deployments collected of their callers' requests, and the outcomes that became known (extra `tables`)."""
