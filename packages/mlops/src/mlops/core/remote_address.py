"""What the address of a git remote says: which forge, whose repository, and where people open it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

ForgeKind = Literal["github", "azure"]

_AZURE: Final = "dev.azure.com"
_VISUAL_STUDIO: Final = ".visualstudio.com"
_DEFAULT_COLLECTION: Final = "DefaultCollection"


@dataclass(frozen=True)
class RemoteAddress:
    """A repository of a forge; GitHub has no projects. `host` is the web's, not ssh's."""

    kind: ForgeKind
    host: str
    owner: str
    project: str
    name: str

    @property
    def origin(self) -> str:
        """Where its CI system says to be: the repository on GitHub, the project in Azure DevOps."""
        if self.kind == "github":
            return f"https://{self.host}/{self.owner}/{self.name}"
        return f"{self.organisation}/{self.project}"

    @property
    def organisation(self) -> str:
        """The address of the owner."""
        return f"https://{self.host}/{self.owner}"


def host_of(url: str) -> str:
    """The host of a remote's address, in lower case; "" for a path of this machine."""
    if "://" in url:
        return (urlsplit(url).hostname or "").lower()
    # The short form of ssh, user@host:path; a path of this machine has no host.
    before = url.partition(":")[0]
    return before.rpartition("@")[2].lower() if "@" in before and "/" not in before else ""


def forge_kind(url: str) -> ForgeKind | None:
    """Which forge an address belongs to, by its host; None for a plain git remote."""
    host = host_of(url)
    if host == "github.com" or host.startswith("github.") or host.endswith(".ghe.com"):
        return "github"
    if host == _AZURE or host.endswith((_VISUAL_STUDIO, f".{_AZURE}")):
        return "azure"
    return None


def parse_remote(url: str) -> RemoteAddress | None:
    """The repository that an address names; None for a plain remote, or a form that no forge uses."""
    kind, host = forge_kind(url), host_of(url)
    path = urlsplit(url).path if "://" in url else url.partition(":")[2]
    parts = [unquote(part) for part in path.strip("/").removesuffix(".git").split("/") if part]
    if kind == "github" and len(parts) == 2:
        return RemoteAddress(kind, host, parts[0], "", parts[1])
    if kind == "azure":
        return _azure(host, [part for part in parts if part not in {"v3", "_git", _DEFAULT_COLLECTION}])
    return None


def _azure(host: str, parts: list[str]) -> RemoteAddress | None:
    if host.endswith(_VISUAL_STUDIO) and not host.startswith("vs-ssh."):
        parts = [host.removesuffix(_VISUAL_STUDIO), *parts]
    if len(parts) == 2:
        # A project's first repository bears its name, and its address may leave one of them out.
        parts = [*parts, parts[1]]
    return RemoteAddress("azure", _AZURE, *parts) if len(parts) == 3 else None
