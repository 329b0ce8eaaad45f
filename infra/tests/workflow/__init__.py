"""The handler's definition, executed: expressions, actions, and the services that it asks."""
