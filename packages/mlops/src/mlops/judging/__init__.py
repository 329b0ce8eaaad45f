"""Rules with their reasons, and what a measure is worth by them: behind the gates and behind monitoring."""
