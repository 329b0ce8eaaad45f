"""Runs the program without an engine and without Azure, and records what it declares: for the inventory and tests."""
