"""The template itself: which version a repository was made from, and how it takes or leaves upstream's packages."""
