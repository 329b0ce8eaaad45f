"""Behaviours of the kinds that start no process: workspaces, registries, assets, datastores, computes."""
