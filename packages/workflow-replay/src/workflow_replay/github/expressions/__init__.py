"""GitHub's expression language: the text between `${{` and `}}`, and every `if`."""
