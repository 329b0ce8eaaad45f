"""One module per kind of resource; stage.py puts them together."""
