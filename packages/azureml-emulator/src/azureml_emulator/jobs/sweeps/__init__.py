"""Sweeps: the search space, its sampling, early termination, and the best trial. Decides; runs nothing."""
