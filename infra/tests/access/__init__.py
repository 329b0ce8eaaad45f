"""Tests: Who may do what."""
