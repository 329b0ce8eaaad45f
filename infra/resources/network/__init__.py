"""The network of a private stage."""
