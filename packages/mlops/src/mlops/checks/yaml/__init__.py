"""YAML documents with line numbers, and the findings about them."""
