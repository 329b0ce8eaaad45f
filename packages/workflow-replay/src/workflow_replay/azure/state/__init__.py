"""State of a run and its jobs: variables, results, conditions."""
