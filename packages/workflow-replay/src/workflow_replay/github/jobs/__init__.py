"""Jobs of a workflow: order, matrices, environments, concurrency, reusable workflows."""
