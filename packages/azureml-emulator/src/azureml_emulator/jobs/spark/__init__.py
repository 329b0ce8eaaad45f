"""Spark steps: a driver that runs the entry in the step's interpreter, and a Sail server as its engine."""
