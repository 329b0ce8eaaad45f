"""A pipeline as it runs: variables, conditions, commands in the output, steps, jobs, stages."""
