"""Tests: The settings of a stack."""
