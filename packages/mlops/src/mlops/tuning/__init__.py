"""Tuning: a sweep over the train step's parameters, its report, and the change that it proposes."""
