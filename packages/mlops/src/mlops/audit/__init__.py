"""The audit log of a stage: gates, promotions, rollouts and rollbacks, by whom, and on what evidence."""
