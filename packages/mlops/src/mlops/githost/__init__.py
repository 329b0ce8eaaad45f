"""GitHub, Azure DevOps and whatever else keeps the repository and runs its CI, behind one interface (interface.py)."""
