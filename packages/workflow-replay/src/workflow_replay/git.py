"""The only place that runs git: what a replay reads of a repository, and clones of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from workflow_replay.errors import RepositoryError

NO_COMMIT: Final = "0" * 40
_TIMEOUT_SECONDS: Final = 120
_OF_ANOTHER_REPOSITORY: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")
# Who makes commits that the service would make; always at the same time, so that they are the same commits.
_NOBODY: Final = {
    f"GIT_{role}_{fact}": value
    for role in ("AUTHOR", "COMMITTER")
    for fact, value in (("NAME", "replay"), ("EMAIL", "replay@users.noreply.invalid"), ("DATE", "@0 +0000"))
}


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

    def borrow(self, target: Path) -> Repository:
        """A repository of its own in a folder, with nothing in it yet, that sees this one's objects; it is `origin`."""
        self._run("init", "--quiet", f"--initial-branch={self.default_branch()}", str(target.resolve()))
        objects = self._run("rev-parse", "--path-format=absolute", "--git-path", "objects")
        (target / ".git" / "objects" / "info" / "alternates").write_text(f"{objects}\n")
        clone = Repository(target)
        clone.configure("remote.origin.url", str(self.folder.resolve()))
        clone.configure("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
        return clone

    def refs(self) -> dict[str, str]:
        """Branches and tags as a clone has them: its name there, and the object."""
        listing = self._run("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
        pairs = (line.split(" ", 1) for line in listing.splitlines())
        return {name.replace("refs/heads/", "refs/remotes/origin/", 1): item for item, name in pairs}

    def point_all(self, refs: Mapping[str, str]) -> None:
        """Let several refs name objects."""
        commands = "".join(f"update {name} {item}\n" for name, item in refs.items())
        self._answer("update-ref", self._execute(("update-ref", "--stdin"), given=commands.encode()))

    def cut_off(self, commit: str, depth: int) -> None:
        """Forget what lies more than so many commits behind a commit, as a shallow clone does."""
        listing = self._run("rev-list", "--parents", "--topo-order", commit)
        parents = {first: rest for first, *rest in (line.split() for line in listing.splitlines())}
        edge = {commit}
        for _ in range(depth - 1):
            edge = {parent for item in edge for parent in parents[item]} or edge
        (self.folder / ".git" / "shallow").write_text("".join(f"{item}\n" for item in sorted(edge)))

    def check_out(self, commit: str, branch: str | None) -> None:
        """Put a commit's files into the folder: on a branch, or detached for None."""
        place = ["--detach"] if branch is None else ["-B", branch]
        self._run("checkout", "--quiet", "--force", *place, commit)

    def configure(self, key: str, value: str) -> None:
        """Set a setting of this repository."""
        self._run("config", key, value)

    def merge(self, base: str, head: str, message: str) -> str | None:
        """The commit that merges `head` into `base`, on no branch; None when they conflict. The same one each time."""
        done = self._execute(("merge-tree", "--write-tree", "--allow-unrelated-histories", base, head))
        if done.returncode == 1:
            return None
        tree = self._answer("merge-tree", done).splitlines()[0]
        return self._run("commit-tree", tree, "-p", base, "-p", head, "-m", message, variables=_NOBODY)

    def point(self, ref: str, commit: str) -> None:
        """Let a ref name a commit."""
        self._run("update-ref", ref, commit)

    def _ask(self, *arguments: str, strip: bool = True) -> str | None:
        done = self._execute(arguments)
        if done.returncode != 0:
            return None
        text = done.stdout.decode(errors="replace")
        return text.strip() if strip else text

    def _run(self, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
        return self._answer(arguments[0], self._execute(arguments, variables)).strip()

    def _answer(self, verb: str, done: subprocess.CompletedProcess[bytes]) -> str:
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise RepositoryError(f"git {verb} failed in {self.folder}: {said}", "Set right what git says.")
        return done.stdout.decode(errors="replace")

    def _execute(
        self, arguments: tuple[str, ...], variables: Mapping[str, str] | None = None, given: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        # Without the repository, index or hooks that a step around us may work in, and without a prompt.
        around = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_REPOSITORY}
        try:
            return subprocess.run(
                ["git", "-C", str(self.folder), *arguments],
                input=given,
                capture_output=True,
                timeout=_TIMEOUT_SECONDS,
                env={**around, "GIT_TERMINAL_PROMPT": "0", **(variables or {})},
                check=False,
            )
        except FileNotFoundError as error:
            raise RepositoryError("git is not installed", "Install git, then run again.") from error
        except subprocess.TimeoutExpired as error:
            raise RepositoryError(f"git {arguments[0]} did not end within {_TIMEOUT_SECONDS} s") from error
