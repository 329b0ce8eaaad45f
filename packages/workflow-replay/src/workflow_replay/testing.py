"""For tests: a bare repository that acts as the remote, and a working tree that pushes to it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

# Tests do not need their repositories to survive a power failure.
_FAST: Final = "[core]\n\tfsync = none\n[gc]\n\tauto = 0\n"


class Origin:
    """A bare repository (`bare`) and a working tree (`work`) that pushes to it, in a folder that is created."""

    def __init__(self, folder: Path) -> None:
        self.bare = folder / "origin.git"
        self.work = folder / "work"
        self._run("init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        self._run("init", "--quiet", "--initial-branch=main", str(self.work))
        identity = "[user]\n\tname = Ada\n\temail = ada@example.org\n"
        remote = f'[remote "origin"]\n\turl = {self.bare}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n'
        with (self.work / ".git" / "config").open("a") as config:
            config.write(_FAST + identity + remote)
        with (self.bare / "config").open("a") as config:
            config.write(_FAST)

    def commit(self, files: Mapping[str, str], message: str = "Change", branch: str = "main") -> str:
        """Commit files and push them; return the commit. A new branch starts at the current one."""
        if self._git("branch", "--show-current") != branch:
            self._git("checkout", "--quiet", "-B", branch)
        for name, text in files.items():
            file = self.work / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "-m", message)
        self._git("push", "--quiet", "--force", "origin", branch)
        return self._git("rev-parse", "HEAD")

    def switch(self, branch: str) -> None:
        """Check out an existing branch."""
        self._git("checkout", "--quiet", branch)

    def tag(self, name: str) -> None:
        """Tag the current commit, and push the tag."""
        self._git("tag", name)
        self._git("push", "--quiet", "origin", name)

    def tip(self, ref: str) -> str:
        """The commit of a ref in the bare repository."""
        return self._run("-C", str(self.bare), "rev-parse", ref)

    def refs(self, prefix: str) -> list[str]:
        """The refs of the bare repository that start with a prefix."""
        return self._run("-C", str(self.bare), "for-each-ref", "--format=%(refname)", prefix).splitlines()

    def _git(self, *arguments: str) -> str:
        return self._run("-C", str(self.work), *arguments)

    def _run(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
