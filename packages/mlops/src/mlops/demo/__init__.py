"""`mlops demo`: the lifecycle on this machine, in a scratch repository that leaves the checkout alone."""
