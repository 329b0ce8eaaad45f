"""What a reviewer asks first, from the program itself: the resources, a picture, who may do what, and the bill."""
