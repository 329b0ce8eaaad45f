"""Tests: The resources of a stack."""
