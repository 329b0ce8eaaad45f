"""Event Grid on this machine: what happens in a workspace, as CloudEvents, delivered to subscribed addresses."""
