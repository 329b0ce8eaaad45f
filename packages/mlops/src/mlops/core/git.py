"""The only place that runs git: reads revisions, and commits to a branch without touching the checkout."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import ClassVar, Final

from mlops.core.errors import MachineError, ProjectError

# The remote that promotions are pushed to.
REMOTE: Final = "origin"
_FILE_MODE: Final = "100644"
_NO_PARENT: Final = "0" * 40
_NOBODY_NAME: Final = "mlops"
_NOBODY_EMAIL: Final = "mlops@users.noreply.invalid"


class Repository:
    """One git repository, by a folder inside it."""

    timeout_seconds: ClassVar[int] = 120

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def head(self) -> str:
        """The full id of the checked-out commit. Raises MachineError if there is none."""
        return self._run("rev-parse", "--verify", "HEAD^{commit}")

    def resolve(self, revision: str) -> str | None:
        """The full id of a commit, or None if the revision names no commit."""
        return self._output("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")

    def is_dirty(self) -> bool:
        """Whether tracked files differ from the checked-out commit."""
        return bool(self._run("status", "--porcelain", "--untracked-files=no"))

    def uncommitted(self, paths: Sequence[PurePosixPath]) -> tuple[PurePosixPath, ...]:
        """Those of `files` (relative to `folder`) that differ from the checked-out commit, including new ones."""
        if not paths:
            return ()
        words = ("--porcelain", "--untracked-files=all", "-z", "--no-renames", "--", *map(str, paths))
        prefix, listing = self.prefix(), self._output("status", *words, strip=False) or ""
        return tuple(PurePosixPath(line[3:]).relative_to(prefix) for line in listing.split("\0") if line)

    def is_pristine(self) -> bool:
        """Whether every file below `folder` is committed or ignored."""
        return not self._run("status", "--porcelain", "--", ".")

    def top(self) -> Path:
        """The repository's top folder."""
        return Path(self._run("rev-parse", "--show-toplevel"))

    def prefix(self) -> PurePosixPath:
        """The path of `folder` relative to the repository's top; "." at the top."""
        return PurePosixPath(self._run("rev-parse", "--show-prefix") or ".")

    def read(self, revision: str, path: PurePosixPath) -> str | None:
        """A file's text at a revision, or None if it does not exist there; `path` is relative to `folder`.

        Raises ProjectError for a file that is not UTF-8 text.
        """
        done = self._execute(("show", f"{revision}:./{path}"))
        return _decoded(done.stdout, revision, path) if done.returncode == 0 else None

    def changed(self, since: str, until: str | None = "HEAD") -> tuple[PurePosixPath, ...]:
        """The files below `folder` that differ between two revisions (None: the working tree), relative to it."""
        ends = (since,) if until is None else (since, until)
        listing = self._run("diff", "--name-only", "--relative", "--no-renames", "-z", *ends, "--", ".")
        return tuple(PurePosixPath(name) for name in listing.split("\0") if name)

    def tracked(self) -> tuple[PurePosixPath, ...]:
        """The tracked files below `folder`, as paths relative to it."""
        listing = self._run("ls-files", "-z", "--", ".")
        return tuple(PurePosixPath(name) for name in listing.split("\0") if name)

    def untracked(self) -> tuple[PurePosixPath, ...]:
        """The files below `folder` that git neither tracks nor ignores, as paths relative to it."""
        listing = self._run("ls-files", "--others", "--exclude-standard", "-z", "--", ".")
        return tuple(PurePosixPath(name) for name in listing.split("\0") if name)

    def files_at(self, revision: str, folder: PurePosixPath) -> tuple[PurePosixPath, ...]:
        """The files directly in a folder at a revision, as paths relative to `self.folder`; none if it is not there."""
        listing = self._output("ls-tree", "-z", "--name-only", revision, f"./{folder}/", strip=False) or ""
        return tuple(PurePosixPath(name) for name in listing.split("\0") if name)

    def merge_base(self, one: str, other: str) -> str | None:
        """The newest common ancestor of two revisions, or None if they have none."""
        return self._output("merge-base", one, other)

    def is_branch_name(self, name: str) -> bool:
        """Whether git accepts a name as a branch name."""
        return self._output("check-ref-format", "--branch", name) is not None

    def last_change(self, path: str) -> str | None:
        """The full id of the last commit that changed a file (relative to `folder`), or None."""
        return self._output("log", "-1", "--format=%H", "--", path) or None

    def changes_of(self, path: PurePosixPath, revision: str, *, first_parent: bool = False) -> tuple[str, ...]:
        """The full ids of the commits up to `revision` that changed a file, newest first.

        With `first_parent`, only those on the branch itself: what a merge brought in counts as the merge's change.
        """
        only = ("--first-parent", "-m") if first_parent else ()
        return tuple(self._run("log", *only, "--format=%H", revision, "--", str(path)).split())

    def read_at(self, revisions: Sequence[str], path: PurePosixPath) -> tuple[str | None, ...]:
        """A file's text at each revision: as `read`, but in one call of git. None also for what is not UTF-8 text."""
        names = "".join(f"{revision}:./{path}\n" for revision in revisions)
        done = self._execute(("cat-file", "--batch"), names.encode()) if revisions else None
        output, texts = (done.stdout if done else b""), []
        for _ in revisions:
            text = None
            head, _, output = output.partition(b"\n")
            if head.endswith(b" missing"):
                texts.append(None)
                continue
            size = int(head.rpartition(b" ")[2])
            with suppress(UnicodeDecodeError):
                text = output[:size].decode()
            texts.append(text)
            output = output[size + 1 :]
        return tuple(texts)

    def known_default_tip(self) -> str | None:
        """The commit of the remote's default branch as of the last fetch, or None; does not contact the remote."""
        return self.resolve(f"refs/remotes/{REMOTE}/HEAD")

    def is_shallow(self) -> bool:
        """Whether the clone is shallow."""
        return self._output("rev-parse", "--is-shallow-repository") == "true"

    def remote_url(self, remote: str) -> str | None:
        """A remote's URL, or None if there is no such remote."""
        return self._output("remote", "get-url", remote)

    def fetch(self, remote: str, branch: str) -> str | None:
        """Fetch a branch; return its commit, or None if the remote has no such branch."""
        if self._output("fetch", "--quiet", remote, f"+refs/heads/{branch}:refs/remotes/{remote}/{branch}") is None:
            return None
        return self.resolve(f"refs/remotes/{remote}/{branch}")

    def default_branch(self, remote: str) -> str | None:
        """The branch that the remote's HEAD names; contacts the remote."""
        answer = self._output("ls-remote", "--symref", remote, "HEAD") or ""
        first = answer.partition("\n")[0]
        return first.removeprefix("ref: refs/heads/").partition("\t")[0] if first.startswith("ref: ") else None

    def commit_on_branch(self, branch: str, base: str, files: Mapping[PurePosixPath, bytes], message: str) -> str:
        """Make `branch` one commit on top of `base` that writes the files; return the commit's id.

        Neither the checkout nor its index is touched. If the branch already holds exactly this change on this
        base, it is left alone, so that running twice makes no second commit.
        """
        tree = self._tree(base, files)
        tip = self.resolve(f"refs/heads/{branch}")
        if tip is not None and self._is_same(tip, base, tree):
            return tip
        commit = self._run("commit-tree", tree, "-p", base, "-m", message, variables=self._identity())
        self._run("update-ref", f"refs/heads/{branch}", commit, tip or _NO_PARENT)
        return commit

    def push(self, remote: str, branch: str) -> None:
        """Push a branch, replacing the remote's only if it is still what we last saw there."""
        seen = self.fetch(remote, branch)
        lease = f"--force-with-lease=refs/heads/{branch}:{seen or ''}"
        self._run("push", "--quiet", lease, remote, f"refs/heads/{branch}:refs/heads/{branch}")

    def _tree(self, base: str, files: Mapping[PurePosixPath, bytes]) -> str:
        prefix = self.prefix()
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._run("read-tree", base, variables=index)
            for path, content in files.items():
                blob = self._run("hash-object", "-w", "--stdin", given=content)
                entry = f"{_FILE_MODE},{blob},{prefix / path}"
                self._run("update-index", "--add", "--cacheinfo", entry, variables=index)
            return self._run("write-tree", variables=index)

    def _identity(self) -> dict[str, str]:
        """The committer, on machines where git has no identity; empty where it has one."""
        if self._output("var", "GIT_COMMITTER_IDENT") is not None:
            return {}
        names = {f"GIT_{role}_NAME": _NOBODY_NAME for role in ("AUTHOR", "COMMITTER")}
        return names | {f"GIT_{role}_EMAIL": _NOBODY_EMAIL for role in ("AUTHOR", "COMMITTER")}

    def _is_same(self, commit: str, base: str, tree: str) -> bool:
        parents = self._run("rev-list", "--parents", "-n", "1", commit).split()[1:]
        return parents == [base] and self._run("rev-parse", f"{commit}^{{tree}}") == tree

    def _output(self, *arguments: str, strip: bool = True) -> str | None:
        done = self._execute(arguments)
        if done.returncode != 0:
            return None
        # Names of files may be any bytes.
        text = os.fsdecode(done.stdout)
        return text.strip() if strip else text

    def _run(self, *arguments: str, given: bytes | None = None, variables: Mapping[str, str] | None = None) -> str:
        done = self._execute(arguments, given, variables)
        if done.returncode != 0:
            said = tuple(done.stderr.decode(errors="replace").strip().splitlines())
            raise MachineError(f"git {arguments[0]} failed", "Fix what git reports, then run again.", said)
        return os.fsdecode(done.stdout).strip()

    def _execute(
        self,
        arguments: tuple[str, ...],
        given: bytes | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        # A prompt would hang a pipeline: without credentials git must fail.
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", **(variables or {})}
        try:
            return subprocess.run(
                ["git", "-C", str(self.folder), *arguments],
                input=given or b"",
                capture_output=True,
                timeout=self.timeout_seconds,
                env=environment,
                check=False,
            )
        except FileNotFoundError as error:
            raise MachineError("git is not installed", "Install git, then run again.") from error
        except subprocess.TimeoutExpired as error:
            message = f"git {arguments[0]} timed out after {self.timeout_seconds} s"
            raise MachineError(message, "Check that the remote is reachable, then run again.") from error


def _decoded(content: bytes, revision: str, path: PurePosixPath) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ProjectError(
            f"{path} at {revision} is not UTF-8 text",
            f"Restore it from an earlier commit, or save it as UTF-8: {path}.",
        ) from error


UNKNOWN: Final = "unknown"
DIRTY_SUFFIX: Final = "-dirty"


def git_commit(folder: Path) -> str:
    """The full id of HEAD, with "-dirty" if a tracked file may differ from it, or "unknown"."""
    repository = Repository(folder)
    try:
        commit = repository.head()
    except MachineError:
        return UNKNOWN
    try:
        dirty = repository.is_dirty()
    except MachineError:
        dirty = True
    return f"{commit}{DIRTY_SUFFIX}" if dirty else commit
