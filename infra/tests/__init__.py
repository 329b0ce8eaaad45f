"""Tests without an engine and without Azure, on the project in `sample/`; test_live_stacks.py has the real one."""
