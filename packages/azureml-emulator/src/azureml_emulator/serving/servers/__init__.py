"""The servers of deployments: folder, process, connections, health, restarts."""
