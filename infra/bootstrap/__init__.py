"""The first steps in a subscription: resource providers, Pulumi's state, its key, the stacks and their deployment."""
