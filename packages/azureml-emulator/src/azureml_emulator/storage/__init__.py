"""Blob storage on disk: accounts, containers, uploads, signed addresses, and where references lead."""
