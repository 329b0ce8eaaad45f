"""Blob storage on disk: accounts, containers, uploads, signed addresses, and what references resolve to."""
