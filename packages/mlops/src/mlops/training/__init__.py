"""From a data file to a registered model version."""
