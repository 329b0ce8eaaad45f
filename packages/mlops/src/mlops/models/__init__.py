"""A registered model, the data and the package that it is made of, and explanations of its answers."""
