"""The commands, grouped as in the help: options, and the call that does the work."""
