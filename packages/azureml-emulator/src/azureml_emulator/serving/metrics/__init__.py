"""Counts of scoring requests, and Azure Monitor's metrics of them. Pure: no I/O."""
