"""The only place that runs git: what a replay reads of a repository, and clones of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from workflow_replay.errors import RepositoryError

NO_COMMIT: Final = "0" * 40
_TIMEOUT_SECONDS: Final = 120


class Repository:
    """A repository by its folder: bare, or a checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resolve(self, revision: str) -> str | None:
        """The full id of a commit, or None when the revision names none."""
        return self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")

    def read(self, commit: str, path: str) -> str | None:
        """A file's text at a commit, or None when it is not there."""
        return self._ask("show", f"{commit}:{path}", strip=False)

    def files(self, commit: str, folder: str = "") -> tuple[str, ...]:
        """All files of a commit below a folder, as paths from the top."""
        listing = self._run("ls-tree", "-r", "-z", "--name-only", commit, *(["--", folder] if folder else []))
        return tuple(name for name in listing.split("\0") if name)

    def changed(self, before: str, after: str) -> tuple[str, ...]:
        """The files that differ between two commits; everything when `before` is no commit."""
        if before == NO_COMMIT:
            return self.files(after)
        listing = self._run("diff", "--name-only", "--no-renames", "-z", before, after)
        return tuple(name for name in listing.split("\0") if name)

    def merge_base(self, one: str, other: str) -> str | None:
        """The newest commit that two revisions share, or None."""
        return self._ask("merge-base", one, other)

    def message(self, commit: str) -> str:
        """A commit's message."""
        return self._run("log", "-1", "--format=%B", commit)

    def author(self, commit: str) -> tuple[str, str]:
        """A commit's author: name and address."""
        name, _, address = self._run("log", "-1", "--format=%an%x00%ae", commit).partition("\0")
        return name, address

    def default_branch(self) -> str:
        """The branch that HEAD names."""
        return (self._ask("symbolic-ref", "--short", "HEAD") or "main").removeprefix("refs/heads/")

    def clone(self, target: Path) -> Repository:
        """A clone of its own with nothing checked out yet; it borrows this one's objects, so it costs little."""
        self._run("clone", "--quiet", "--shared", "--no-checkout", str(self.folder.resolve()), str(target))
        return Repository(target)

    def check_out(self, commit: str, branch: str | None) -> None:
        """Put a commit's files into the folder: on a branch, or detached for None."""
        place = ["--detach"] if branch is None else ["-B", branch]
        self._run("checkout", "--quiet", "--force", *place, commit)

    def configure(self, key: str, value: str) -> None:
        """Set a setting of this repository."""
        self._run("config", key, value)

    def _ask(self, *arguments: str, strip: bool = True) -> str | None:
        done = self._execute(arguments)
        if done.returncode != 0:
            return None
        text = done.stdout.decode(errors="replace")
        return text.strip() if strip else text

    def _run(self, *arguments: str) -> str:
        done = self._execute(arguments)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise RepositoryError(f"git {arguments[0]} failed in {self.folder}: {said}", "Set right what git says.")
        return done.stdout.decode(errors="replace").strip()

    def _execute(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
        # Without a prompt, and without the repository that a hook or a step around us may work in.
        variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_DIR")}
        try:
            return subprocess.run(
                ["git", "-C", str(self.folder), *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT_SECONDS,
                env={**variables, "GIT_TERMINAL_PROMPT": "0"},
                check=False,
            )
        except FileNotFoundError as error:
            raise RepositoryError("git is not installed", "Install git, then run again.") from error
        except subprocess.TimeoutExpired as error:
            raise RepositoryError(f"git {arguments[0]} did not end within {_TIMEOUT_SECONDS} s") from error
