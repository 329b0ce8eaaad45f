"""What a reviewer asks first, from the program itself: the resources, a diagram, and who may do what."""
