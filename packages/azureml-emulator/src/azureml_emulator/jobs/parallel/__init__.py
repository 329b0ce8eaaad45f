"""Parallel steps: an input cut into mini-batches, and the processes that run an entry script over them."""
