"""`ssh` as a program, for git alone: what git would run on the host runs here, on the bare repository."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from fake_git_host.address import ssh_host, ssh_path
from fake_git_host.state import read_state

SERVICES = ("git-upload-pack", "git-receive-pack", "git-upload-archive")
_WITH_VALUE = ("-o", "-p", "-i", "-F", "-l")
_FAILED = 255


def main(folder: Path, arguments: Sequence[str]) -> int:
    """Replace this process by the git service that the client requests; return only to refuse."""
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        rest = rest[2:] if rest[0] in _WITH_VALUE else rest[1:]
    state = read_state(folder)
    host = rest[0].rpartition("@")[2] if rest else ""
    words = shlex.split(" ".join(rest[1:]))
    if host != ssh_host(state) or len(words) != 2 or words[0] not in SERVICES:
        print(f"ssh: Could not resolve hostname {host}: this fake serves {ssh_host(state)}", file=sys.stderr)
        return _FAILED
    if words[1].strip("/").removesuffix(".git") != ssh_path(state).removesuffix(".git"):
        print("ERROR: Repository not found.", file=sys.stderr)
        return 1
    os.execvp("git", ["git", words[0].removeprefix("git-"), state.remote])  # noqa: S606 - this process is to become git
    return _FAILED
