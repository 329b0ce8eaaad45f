"""Runs jobs: the steps of a pipeline in order, and each step from its inputs to its outputs."""
