"""Behaviours of kinds that neither run nor serve: workspaces, registries, assets, datastores, computes."""
