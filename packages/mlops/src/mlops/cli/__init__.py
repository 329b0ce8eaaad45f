"""Command-line parsing, progress, rendering of results, and exit codes."""
