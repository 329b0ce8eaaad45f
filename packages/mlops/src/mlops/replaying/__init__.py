"""Workflow files of this project, run on this machine before they are pushed."""
