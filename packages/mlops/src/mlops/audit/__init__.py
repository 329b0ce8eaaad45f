"""The audit log of a stage: what was gated, promoted and rolled out or back, by whom, on what evidence."""
