"""What a released model does in its stage: a window measured by a job, judged by rules, and noted."""
