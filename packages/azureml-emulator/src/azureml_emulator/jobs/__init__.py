"""Jobs: graphs of steps, run as processes."""
