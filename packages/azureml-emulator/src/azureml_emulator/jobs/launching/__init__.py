"""Starts the processes of steps: fresh, or forked from a server that has their imports."""
