"""The bare repository, with real merges and reverts by git."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_TIMEOUT_SECONDS = 60
_IDENTITY_ROLES = ("AUTHOR", "COMMITTER")


class Conflict(Exception):
    """Two branches that git cannot merge by itself."""


@dataclass(frozen=True)
class Bare:
    """One bare repository."""

    folder: Path

    def commit(self, branch: str) -> str | None:
        """The commit of a branch, or None."""
        return self._ask("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")

    def default_branch(self) -> str:
        """What HEAD names."""
        return self.run("symbolic-ref", "--short", "HEAD")

    def is_ahead(self, head: str, base: str) -> bool:
        """Whether `head` has commits that `base` has not."""
        return bool(self.run("rev-list", "--max-count=1", f"{base}..{head}"))

    def files_changed(self, head: str, base: str) -> list[str]:
        """The files that a pull request changes."""
        listing = self.run("diff", "--name-only", "-z", f"{base}...{head}")
        return [name for name in listing.split("\0") if name]

    def merged_tree(self, base: str, head: str) -> str:
        """The tree of both together. Raises Conflict."""
        done = self._execute("merge-tree", "--write-tree", base, head)
        if done.returncode == 1:
            raise Conflict(done.stdout)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.splitlines()[0]

    def merge(self, branch: str, head: str, message: str, actor: str, *, squash: bool) -> str:
        """Merge a commit into a branch; the new commit. Raises Conflict."""
        tip = self.run("rev-parse", f"refs/heads/{branch}")
        tree = self.merged_tree(tip, head)
        parents = ["-p", tip] if squash else ["-p", tip, "-p", head]
        commit = self.run("commit-tree", tree, *parents, "-F", "-", given=message, actor=actor)
        self.run("update-ref", f"refs/heads/{branch}", commit, tip)
        return commit

    def revert(self, commit: str, branch: str, new_branch: str, actor: str) -> str:
        """Take a commit of `branch` back on a new branch; the new commit. Raises Conflict."""
        with tempfile.TemporaryDirectory() as place:
            self.run("worktree", "add", "--quiet", "--detach", place, f"refs/heads/{branch}")
            try:
                parents = self.run("rev-list", "--parents", "--max-count=1", commit).split()[1:]
                mainline = ["--mainline", "1"] if len(parents) > 1 else []
                done = self._execute("-C", place, "revert", "--no-edit", *mainline, commit, actor=actor)
                if done.returncode != 0:
                    raise Conflict(done.stderr)
                made = self.run("-C", place, "rev-parse", "HEAD")
            finally:
                self.run("worktree", "remove", "--force", place)
        self.run("update-ref", f"refs/heads/{new_branch}", made)
        return made

    def delete(self, branch: str) -> None:
        """Delete a branch."""
        self.run("update-ref", "-d", f"refs/heads/{branch}")

    def run(self, *arguments: str, given: str = "", actor: str = "") -> str:
        """Run git; what it says. Raises RuntimeError when it fails."""
        done = self._execute(*arguments, given=given, actor=actor)
        if done.returncode != 0:
            raise RuntimeError(f"git {arguments[0]}: {done.stderr}")
        return done.stdout.strip()

    def _ask(self, *arguments: str) -> str | None:
        done = self._execute(*arguments)
        return done.stdout.strip() if done.returncode == 0 else None

    def _execute(self, *arguments: str, given: str = "", actor: str = "") -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        for role in _IDENTITY_ROLES:
            environment[f"GIT_{role}_NAME"] = actor or "host"
            environment[f"GIT_{role}_EMAIL"] = f"{actor or 'host'}@users.noreply.invalid"
        return subprocess.run(
            ["git", f"--git-dir={self.folder}", *arguments] if arguments[0] != "-C" else ["git", *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            env=environment,
            check=False,
        )
