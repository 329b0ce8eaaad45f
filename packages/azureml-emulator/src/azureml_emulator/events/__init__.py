"""Event Grid: events of workspaces and custom topics, delivered to subscribed addresses as CloudEvents."""
