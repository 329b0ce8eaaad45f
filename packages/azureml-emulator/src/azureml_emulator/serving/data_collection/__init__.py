"""Data collection of deployments: its configuration, the server that scripts send to, the files it writes."""
