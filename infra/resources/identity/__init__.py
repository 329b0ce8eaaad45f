"""Managed identities, and their role assignments."""
