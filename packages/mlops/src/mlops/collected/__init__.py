"""What deployments have collected of their callers' requests, read from the workspace's storage."""
