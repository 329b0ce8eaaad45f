"""One implementation of each metric, interval and drift measure; arrays in, numbers out."""
