"""Where a model comes from, as a standard statement, and whether a stage accepts it."""
