"""Schedules: when a job is due, and the timetable that starts it then."""
