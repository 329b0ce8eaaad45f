"""The URLs of GitHub that workflows see.

By default they are in the reserved domain `invalid` (RFC 2606), which no resolver knows: a step that follows one of
them does not reach the real service with the replay's fake data and tokens.
"""

from __future__ import annotations

from typing import Final

from workflow_replay.host_environment import HostEnvironment

API_URL: Final = "https://api.github.invalid"
GRAPHQL_URL: Final = f"{API_URL}/graphql"
_SERVER_URL: Final = "https://github.invalid"


def server_url(host: HostEnvironment) -> str:
    """GITHUB_SERVER_URL, without a trailing slash."""
    return (host.server_url or _SERVER_URL).rstrip("/")


def repository_url(host: HostEnvironment) -> str:
    """The web page of the repository."""
    return f"{server_url(host)}/{host.owner}/{host.name}"
