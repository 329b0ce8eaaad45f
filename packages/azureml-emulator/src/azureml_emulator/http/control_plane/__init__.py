"""Azure Resource Manager: resources, template deployments, registries, Event Grid, Azure Monitor."""
