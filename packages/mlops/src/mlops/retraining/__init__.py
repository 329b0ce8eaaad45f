"""The way back from drift to a proposed model: why, whether it may be, and what is done."""
