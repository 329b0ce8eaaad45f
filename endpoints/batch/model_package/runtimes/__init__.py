"""How the model of a package is run: each of the two kinds behind one interface, which runtime.Scorer uses."""
