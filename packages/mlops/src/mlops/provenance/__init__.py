"""Where a model comes from, as a statement that other tools read, and whether a stage accepts it."""
