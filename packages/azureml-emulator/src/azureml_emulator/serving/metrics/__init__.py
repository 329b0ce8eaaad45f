"""What is counted of scoring requests, and how Azure Monitor answers it. Pure: no I/O."""
