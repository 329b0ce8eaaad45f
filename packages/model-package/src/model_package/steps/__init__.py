"""For the steps of a pipeline: tracking, what they run in, and a scikit-learn model between them (extra `steps`)."""
