"""Schedules: triggers, the times at which they are due, and the scheduler that starts their jobs."""
