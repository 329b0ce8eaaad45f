"""The addresses by which git and people name a repository of a forge."""

from __future__ import annotations

from urllib.parse import unquote

from forge_standin.state import State


def ssh_host(state: State) -> str:
    """Who git talks to."""
    return "github.com" if state.kind == "github" else "ssh.dev.azure.com"


def ssh_path(state: State) -> str:
    """The repository as git names it there."""
    if state.kind == "github":
        return f"{state.owner}/{state.name}.git"
    return f"v3/{state.owner}/{state.project}/{state.name}"


def ssh_address(state: State) -> str:
    """What a clone's remote says."""
    return f"git@{ssh_host(state)}:{ssh_path(state)}"


def web_address(state: State) -> str:
    """What people open, and what CI systems check out from."""
    if state.kind == "github":
        return f"https://github.com/{state.owner}/{state.name}"
    return f"https://dev.azure.com/{state.owner}/{state.project}/_git/{state.name}"


def same_repository(address: str, state: State) -> bool:
    """Whether an address, in either form, is this repository's."""
    plain = unquote(address).removesuffix(".git").rstrip("/")
    forms = {ssh_address(state).removesuffix(".git"), web_address(state)}
    return plain in forms or plain == web_address(state).replace("https://", f"https://{state.owner}@")
