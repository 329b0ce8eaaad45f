"""A review of a stack from the program itself: its resources, a diagram, and who may do what."""
