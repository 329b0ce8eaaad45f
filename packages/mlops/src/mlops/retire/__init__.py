"""Takes out of service what no release names any more, after a deadline."""
