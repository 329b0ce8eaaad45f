"""The services that host the repository and run its CI, such as GitHub, behind one interface (interface.py)."""
