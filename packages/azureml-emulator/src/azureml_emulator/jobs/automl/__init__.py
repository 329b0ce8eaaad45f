"""AutoML jobs: what they ask for, and the trials that FLAML runs for them."""
