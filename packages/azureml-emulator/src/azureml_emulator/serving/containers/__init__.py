"""Custom containers: what a Dockerfile means on this machine, its files, and the private network of its process."""
