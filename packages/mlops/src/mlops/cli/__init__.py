"""How a command line is parsed, how progress and results are shown, and which exit code an error has."""
