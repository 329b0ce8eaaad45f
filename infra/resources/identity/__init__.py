"""Managed identities, and the roles they are given."""
