"""What a git host is to a release: who acts, from where, and its pull requests."""
