"""Data collection: what a deployment collects, who may send it, the files it goes to."""
