"""The page that shows all stages at once: what runs, rollouts, gates, drift, service and history."""
