"""GitHub as a git host; `host.py` is its entry."""
