"""The emulator as a background process: start, stop, where it is, and the variables for its clients."""
