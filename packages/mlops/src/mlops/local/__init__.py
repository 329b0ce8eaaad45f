"""The Azure ML emulator as a process that `up`, `down`, `env` and `demo` start and stop."""
