"""Collected inputs and outputs of an endpoint: files, lines, windows, frames."""
