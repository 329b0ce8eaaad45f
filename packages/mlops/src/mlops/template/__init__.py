"""The template itself: the version that a repository was made from, and detaching from upstream's packages."""
