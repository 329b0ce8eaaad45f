"""A scoring request's way: which deployment answers it, and the exchange with its server."""
