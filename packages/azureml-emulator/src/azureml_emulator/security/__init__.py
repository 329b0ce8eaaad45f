"""Secrets of one state folder and what they sign: access tokens, storage signatures, TLS certificates."""
