"""GitHub's expression language: what stands between `${{` and `}}`, and in every `if`."""
