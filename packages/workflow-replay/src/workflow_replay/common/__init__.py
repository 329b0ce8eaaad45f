"""Building blocks that both systems share: git, shells, YAML, masking."""
