"""Proof, without an engine and without Azure, that the program is right."""
