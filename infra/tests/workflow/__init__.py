"""Executes the drift handler's workflow definition against the services that it calls."""
