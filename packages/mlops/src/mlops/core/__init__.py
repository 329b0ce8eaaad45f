"""Shared by every layer: errors, results, git, documents, programs; knows nothing about Azure or models."""
