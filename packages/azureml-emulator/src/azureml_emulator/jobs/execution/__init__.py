"""Running jobs: a pipeline's steps in order, and each step from its inputs to its outputs."""
