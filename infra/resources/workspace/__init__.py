"""The Azure ML workspace, and what it depends on."""
