"""Repository protection as code: what a platform team would otherwise click together."""
