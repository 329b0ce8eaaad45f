"""How a step's process is started: fresh, or forked from a server that has its imports."""
