"""Steps of a job: scripts, tasks, and the logging commands in their output."""
