"""Azure Resource Manager's routes: resources, templates, registries, Event Grid, Monitor."""
