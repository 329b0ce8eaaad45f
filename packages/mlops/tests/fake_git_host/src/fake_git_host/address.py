"""The addresses of a repository for git and for browsers."""

from __future__ import annotations

from urllib.parse import unquote

from fake_git_host.state import State


def ssh_host(state: State) -> str:
    """The host that git connects to."""
    return "github.com" if state.kind == "github" else "ssh.dev.azure.com"


def ssh_path(state: State) -> str:
    """The path of the repository on that host."""
    if state.kind == "github":
        return f"{state.owner}/{state.name}.git"
    return f"v3/{state.owner}/{state.project}/{state.name}"


def ssh_address(state: State) -> str:
    """The URL of a clone's remote."""
    return f"git@{ssh_host(state)}:{ssh_path(state)}"


def web_address(state: State) -> str:
    """The URL of the web page, which CI systems check out from."""
    if state.kind == "github":
        return f"https://github.com/{state.owner}/{state.name}"
    return f"https://dev.azure.com/{state.owner}/{state.project}/_git/{state.name}"


def same_repository(address: str, state: State) -> bool:
    """Whether an address, in either form, is that of this repository."""
    plain = unquote(address).removesuffix(".git").rstrip("/")
    forms = {ssh_address(state).removesuffix(".git"), web_address(state)}
    return plain in forms or plain == web_address(state).replace("https://", f"https://{state.owner}@")
