"""Expands a pipeline file and its templates to one tree without `${{ }}`."""
