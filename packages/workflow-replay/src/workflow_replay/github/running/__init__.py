"""Runs what was read and decided: jobs in threads, steps in shells."""
