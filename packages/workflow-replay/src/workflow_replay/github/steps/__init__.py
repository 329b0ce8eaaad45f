"""Steps of a job: scripts in shells, composite actions, simulated actions."""
