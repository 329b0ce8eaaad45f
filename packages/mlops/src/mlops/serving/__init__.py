"""The way from a registered model version to an endpoint that answers with it."""
