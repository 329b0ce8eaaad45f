"""The servers of deployments: their folders, processes, connections, health and restarts."""
