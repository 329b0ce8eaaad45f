"""Pipelines: stages, jobs, steps, variables and triggers, validated before anything runs."""
