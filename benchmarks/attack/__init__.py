"""Attacks on the emulator and on the gates, which anybody can run: fuzzed bodies, kills, pull requests that cheat."""
