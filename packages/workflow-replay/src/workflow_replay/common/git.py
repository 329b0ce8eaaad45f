"""The only module that runs git: reading a repository, and clones of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from workflow_replay.errors import RepositoryError

NO_COMMIT: Final = "0" * 40
_TIMEOUT_SECONDS: Final = 120
_REPOSITORY_VARIABLES: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")
# The author of the service's own commits, always with the same date, so that the commits are the same ones too.
_SERVICE: Final = {
    f"GIT_{role}_{fact}": value
    for role in ("AUTHOR", "COMMITTER")
    for fact, value in (("NAME", "replay"), ("EMAIL", "replay@users.noreply.invalid"), ("DATE", "@0 +0000"))
}


class Repository:
    """A repository by its folder: bare, or with a working tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resolve(self, revision: str) -> str | None:
        """The full hash of a commit, or None if there is no such revision."""
        return self._try("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")

    def read(self, commit: str, path: str) -> str | None:
        """The text of a file at a commit, or None if there is no such file."""
        return self._try("show", f"{commit}:{path}", strip=False)

    def files(self, commit: str, folder: str = "") -> tuple[str, ...]:
        """All files of a commit below a folder, as paths from the root."""
        listing = self._run("ls-tree", "-r", "-z", "--name-only", commit, *(["--", folder] if folder else []))
        return tuple(name for name in listing.split("\0") if name)

    def changed(self, before: str, after: str) -> tuple[str, ...]:
        """The files that differ between two commits; all files if `before` is NO_COMMIT."""
        if before == NO_COMMIT:
            return self.files(after)
        listing = self._run("diff", "--name-only", "--no-renames", "-z", before, after)
        return tuple(name for name in listing.split("\0") if name)

    def merge_base(self, one: str, other: str) -> str | None:
        """The merge base of two revisions, or None."""
        return self._try("merge-base", one, other)

    def message(self, commit: str) -> str:
        """The message of a commit."""
        return self._run("log", "-1", "--format=%B", commit)

    def author(self, commit: str) -> tuple[str, str]:
        """The author of a commit: name and email address."""
        name, _, address = self._run("log", "-1", "--format=%an%x00%ae", commit).partition("\0")
        return name, address

    def default_branch(self) -> str:
        """The branch that HEAD points to."""
        return (self._try("symbolic-ref", "--short", "HEAD") or "main").removeprefix("refs/heads/")

    def borrow(self, target: Path) -> Repository:
        """A new, empty repository in a folder that borrows this one's objects and has it as `origin`."""
        self._run("init", "--quiet", f"--initial-branch={self.default_branch()}", str(target.resolve()))
        objects = self._run("rev-parse", "--path-format=absolute", "--git-path", "objects")
        (target / ".git" / "objects" / "info" / "alternates").write_text(f"{objects}\n")
        clone = Repository(target)
        clone.configure("remote.origin.url", str(self.folder.resolve()))
        clone.configure("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
        return clone

    def refs(self) -> dict[str, str]:
        """Branches and tags as a clone has them: ref and object id."""
        listing = self._run("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
        pairs = (line.split(" ", 1) for line in listing.splitlines())
        return {name.replace("refs/heads/", "refs/remotes/origin/", 1): item for item, name in pairs}

    def update_refs(self, refs: Mapping[str, str]) -> None:
        """Set several refs."""
        commands = "".join(f"update {name} {item}\n" for name, item in refs.items())
        self._output("update-ref", self._execute(("update-ref", "--stdin"), stdin=commands.encode()))

    def make_shallow(self, commit: str, depth: int) -> None:
        """Cut the history of a commit off at a depth, as a shallow clone does."""
        listing = self._run("rev-list", "--parents", "--topo-order", commit)
        parents = {first: rest for first, *rest in (line.split() for line in listing.splitlines())}
        edge = {commit}
        for _ in range(depth - 1):
            edge = {parent for item in edge for parent in parents[item]} or edge
        (self.folder / ".git" / "shallow").write_text("".join(f"{item}\n" for item in sorted(edge)))

    def check_out(self, commit: str, branch: str | None) -> None:
        """Check out a commit: on a branch, or detached for None."""
        target = ["--detach"] if branch is None else ["-B", branch]
        self._run("checkout", "--quiet", "--force", *target, commit)

    def configure(self, key: str, value: str) -> None:
        """Set a key of this repository's configuration."""
        self._run("config", key, value)

    def merge(self, base: str, head: str, message: str) -> str | None:
        """The commit that merges `head` into `base`, on no branch and the same each time; None if they conflict."""
        done = self._execute(("merge-tree", "--write-tree", "--allow-unrelated-histories", base, head))
        if done.returncode == 1:
            return None
        tree = self._output("merge-tree", done).splitlines()[0]
        return self._run("commit-tree", tree, "-p", base, "-p", head, "-m", message, variables=_SERVICE)

    def update_ref(self, ref: str, commit: str) -> None:
        """Set a ref to a commit."""
        self._run("update-ref", ref, commit)

    def _try(self, *arguments: str, strip: bool = True) -> str | None:
        done = self._execute(arguments)
        if done.returncode != 0:
            return None
        text = done.stdout.decode(errors="replace")
        return text.strip() if strip else text

    def _run(self, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
        return self._output(arguments[0], self._execute(arguments, variables)).strip()

    def _output(self, verb: str, done: subprocess.CompletedProcess[bytes]) -> str:
        if done.returncode != 0:
            message = done.stderr.decode(errors="replace").strip()
            raise RepositoryError(f"git {verb} failed in {self.folder}: {message}", "Fix what git reports.")
        return done.stdout.decode(errors="replace")

    def _execute(
        self, arguments: tuple[str, ...], variables: Mapping[str, str] | None = None, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        # Not the repository or index of a git hook that may run this process, and no prompt.
        environ = {name: value for name, value in os.environ.items() if name not in _REPOSITORY_VARIABLES}
        try:
            return subprocess.run(
                ["git", "-C", str(self.folder), *arguments],
                input=stdin,
                capture_output=True,
                timeout=_TIMEOUT_SECONDS,
                env={**environ, "GIT_TERMINAL_PROMPT": "0", **(variables or {})},
                check=False,
            )
        except FileNotFoundError as error:
            raise RepositoryError("git is not installed", "Install git, then run again.") from error
        except subprocess.TimeoutExpired as error:
            raise RepositoryError(f"git {arguments[0]} took more than {_TIMEOUT_SECONDS} s") from error
