"""The infrastructure's outputs, and previews of its changes."""
