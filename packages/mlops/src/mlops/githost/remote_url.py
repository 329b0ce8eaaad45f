"""The parts of a git remote's address, in both forms that git takes. Pure."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit


def server_of(url: str) -> str:
    """The server in the address, in lower case; "" for a path of this machine."""
    if "://" in url:
        return (urlsplit(url).hostname or "").lower()
    # The short form of ssh, user@server:path; a path of this machine has no server.
    before = url.partition(":")[0]
    return before.rpartition("@")[2].lower() if "@" in before and "/" not in before else ""


def path_of(url: str) -> list[str]:
    """The parts of the path in the address, without the ending `.git`."""
    path = urlsplit(url).path if "://" in url else url.partition(":")[2]
    return [unquote(part) for part in path.strip("/").removesuffix(".git").split("/") if part]
