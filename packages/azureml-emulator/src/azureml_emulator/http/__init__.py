"""Azure's HTTP surfaces: each file turns one of them into calls of the packages below, without logic of its own."""
