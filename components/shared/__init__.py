"""What the steps share; ships with each of them by `additional_includes`."""
