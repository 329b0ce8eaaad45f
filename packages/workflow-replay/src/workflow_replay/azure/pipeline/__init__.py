"""What a pipeline file means: stages, jobs, steps, variables and triggers, checked before anything runs."""
