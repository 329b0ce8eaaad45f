"""Runs the program without an engine and without Azure, and shows what it would make: for the inventory and tests."""
