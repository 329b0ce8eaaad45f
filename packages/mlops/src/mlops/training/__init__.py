"""The way from a data file to a registered model version."""
