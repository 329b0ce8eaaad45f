"""A registered model and its package: identity, origin, documents, scores."""
