"""Promotions: a pull request that releases a model version to the next stage."""
