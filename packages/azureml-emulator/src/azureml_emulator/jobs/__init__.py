"""Jobs: pipelines and commands, read as graphs of steps and run as processes."""
