"""What the steps share; each step ships this folder (`additional_includes`). It knows nothing outside."""
