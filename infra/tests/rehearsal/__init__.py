"""A stack over time: an engine that keeps a state, against an Azure with the rules that only show at a second run."""
