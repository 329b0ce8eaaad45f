"""`mlops replay`: runs the project's CI files on this machine before they are pushed."""
