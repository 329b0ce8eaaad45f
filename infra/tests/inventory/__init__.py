"""Tests: What a stack declares, as a reviewer reads it."""
