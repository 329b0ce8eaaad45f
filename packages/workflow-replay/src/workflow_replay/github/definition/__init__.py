"""Workflow files and composite actions: their model, and how they are read and validated."""
