"""The wire: each file turns one of Azure's HTTP surfaces into calls of the packages above it, and no more."""
