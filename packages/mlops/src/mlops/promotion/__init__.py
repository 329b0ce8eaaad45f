"""Promotions: a model version on its way to the next stage, as a pull request that changes a release."""
