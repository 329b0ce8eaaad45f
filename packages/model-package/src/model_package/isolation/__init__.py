"""Code of others in a process of its own: confined, without credentials, and answering by messages alone."""
