"""Events of a stage, and the handler that turns drift into a retraining."""
