"""The program of a parallel step: splits an input into mini-batches, and runs an entry script over them."""
