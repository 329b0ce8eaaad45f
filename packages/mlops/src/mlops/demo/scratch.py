"""The repository that a demo releases in: a copy of the project with its own remote, below the state folder.

Its commits depend only on the working files, not on the time: the same files are the same commit, so that a second
demo does not train again. The user's checkout is read, never written.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from mlops.core.git import REMOTE, Repository
from mlops.core.layout import DEMO_REPOSITORY, STATE_FOLDER, private_folder
from mlops.githost.interface import WORKSTATION
from mlops.settings.gates import GATES_FILE
from mlops.settings.policies import POLICY_FILE, with_builder
from mlops.settings.project import Project, load_project
from mlops.settings.releases import RolloutTiming, manifest_path, with_timing
from mlops.settings.stages import StageOrder

DEMO_FOLDER: Final = DEMO_REPOSITORY.parent
BRANCH: Final = "main"
_SOURCE: Final = "refs/mlops/source"
_NOT_CONTENT: Final = (STATE_FOLDER.name, ".venv", "__pycache__")
# Seconds, not minutes: a demo need not soak for long. Load and latencies suit a laptop that does other things as well:
# a deployment is judged by its failures.
TIMING: Final = RolloutTiming(
    soak_seconds=1.0, load_seconds=1.0, requests_per_second=20.0, p95_milliseconds=1_000.0, p99_milliseconds=2_000.0
)
_AUTHOR: Final = {
    f"GIT_{role}_{fact}": value
    for role in ("AUTHOR", "COMMITTER")
    for fact, value in (("NAME", "mlops demo"), ("EMAIL", "demo@users.noreply.invalid"), ("DATE", "@0 +0000"))
}


class ScratchRepository(Repository):
    """A repository of our own, whose checkout may be changed."""

    def make(self, remote: Path) -> None:
        """Create it, and an empty remote for it, whose address is noted last: with it the repository is complete."""
        self._run("init", "--quiet", "--initial-branch", BRANCH)
        self._run("init", "--quiet", "--bare", "--initial-branch", BRANCH, str(remote))
        # The project may be a shallow clone, whose history begins with a commit that git does not have.
        self._run("-C", str(remote), "config", "receive.shallowUpdate", "true")
        exclude = self.folder / ".git" / "info" / "exclude"
        exclude.write_text("".join(f"{name}\n" for name in _NOT_CONTENT))
        for key, value in (
            ("user.name", "mlops demo"),
            ("user.email", "demo@users.noreply.invalid"),
            (f"remote.{REMOTE}.fetch", f"+refs/heads/*:refs/remotes/{REMOTE}/*"),
            (f"remote.{REMOTE}.url", str(remote)),
        ):
            self._run("config", key, value)

    def take_head(self, repository: Repository) -> str:
        """Fetch the commit that another repository has checked out."""
        self._run("fetch", "--quiet", "--update-shallow", str(repository.top()), "HEAD")
        return self._run("rev-parse", "FETCH_HEAD")

    def take_files(self, folder: Path) -> str:
        """Commit the files in a folder, except those that its .gitignore names."""
        with tempfile.TemporaryDirectory() as place:
            index = {"GIT_INDEX_FILE": str(Path(place) / "index")}
            there = {"GIT_DIR": str(self.folder / ".git"), "GIT_WORK_TREE": str(folder)}
            self._run("-C", str(folder), "add", "--all", ".", variables=index | there)
            tree = self._run("write-tree", variables=index)
        return self._run("commit-tree", tree, "-m", "The working files", variables=_AUTHOR)

    def start_over(self, source: str, branch_tip: str) -> None:
        """Reset the branch, here and at the remote, to `branch_tip`, which was made from `source`.

        The source is forgotten first and noted last: after an interruption the next start does all of it again.
        """
        self._run("update-ref", "-d", _SOURCE)
        self.check_out(source)
        self._run("push", "--quiet", "--force", REMOTE, f"{branch_tip}:refs/heads/{BRANCH}")
        self._run("branch", "--force", BRANCH, branch_tip)
        self._run("update-ref", _SOURCE, source)

    @property
    def source(self) -> str | None:
        """The commit of the project that the branch started from."""
        return self.resolve(_SOURCE)

    def check_out(self, revision: str) -> None:
        """Check out a commit."""
        self._run("checkout", "--quiet", "--force", "--detach", revision)

    def check_out_branch(self) -> None:
        """Check out the newest pushed commit of the branch: an unpushed merge was not finished."""
        self._run("checkout", "--quiet", "--force", "--no-track", "-B", BRANCH, f"refs/remotes/{REMOTE}/{BRANCH}")

    def merge(self, branch: str, message: str) -> None:
        """Merge a branch into the checked-out one, as a reviewer would."""
        self._run("merge", "--quiet", "--no-ff", "-m", message, branch)

    def revert_merge(self) -> None:
        """Revert the checked-out merge with a commit, as people do after a rollback."""
        self._run("revert", "--no-edit", "--mainline", "1", "HEAD")

    def change(self, files: dict[PurePosixPath, bytes], message: str) -> None:
        """Commit new contents of some files on the checked-out branch, and push it; nothing if they are unchanged."""
        head = self.head()
        changed = {path: content for path, content in files.items() if self._content(head, path) != content}
        if changed:
            self._run("merge", "--quiet", "--ff-only", self.commit_with(head, changed, message))
            self.publish_branch()

    def waiting(self, folder: str) -> tuple[str, ...]:
        """The remote's branches with a prefix that are not merged into the checked-out one."""
        self._run("fetch", "--quiet", "--prune", REMOTE)
        form, place = "--format=%(refname:lstrip=3)", f"refs/remotes/{REMOTE}/{folder}"
        return tuple(self._run("for-each-ref", form, "--no-merged", "HEAD", place).split())

    def _content(self, revision: str, path: PurePosixPath) -> bytes | None:
        text = self.read(revision, path)
        return None if text is None else text.encode()

    def commit_with(self, parent: str, files: dict[PurePosixPath, bytes], message: str) -> str:
        """A commit on top of another with some files changed; the same content gives the same commit."""
        tree = self._tree(parent, files)
        return self._run("commit-tree", tree, "-p", parent, "-m", message, variables=_AUTHOR)

    def publish_branch(self) -> None:
        """Push the branch."""
        self.push(REMOTE, BRANCH)


@dataclass(frozen=True)
class Scratch:
    """A prepared scratch repository, and the project in it."""

    repository: ScratchRepository
    project: Project

    def at_source(self) -> Project:
        """The project as given: what training runs on."""
        self.repository.check_out(self.repository.source or "HEAD")
        return self.project

    def at_branch(self) -> Project:
        """The project with all releases so far."""
        self.repository.check_out_branch()
        return self.project


def forget(project: Project) -> None:
    """Delete the scratch repository."""
    shutil.rmtree(project.path(DEMO_FOLDER), ignore_errors=True)


def prepare(
    project: Project, say: Callable[[str], None], gates: Callable[[str], bytes] = lambda text: text.encode()
) -> Scratch:
    """A scratch repository with the project's current content; its releases are kept while that is unchanged.

    `gates` changes the text of its gates.yml.
    """
    folder = private_folder(project.path(DEMO_FOLDER))
    repository, remote = ScratchRepository(folder / DEMO_REPOSITORY.name), folder / "remote.git"
    repository.folder.mkdir(exist_ok=True)
    # An unfinished repository has no remote, or that of the project's own repository, which git then finds above.
    if repository.remote_url(REMOTE) != str(remote):
        repository.make(remote)
    source, below = _source(project, repository)
    root = repository.folder / below
    files = _changes(repository, project.order, source, below, gates)
    if source != repository.source or _differs(repository, files, below / GATES_FILE.as_posix()):
        tip = repository.commit_with(source, files, "Shorten the rollouts for a demo, and trust this machine")
        repository.start_over(source, tip)
    else:
        repository.check_out(source)
    state = root / STATE_FOLDER
    if not state.is_symlink():
        # One state for both: commands in the scratch repository find the demo's workspace.
        state.symlink_to(project.path(STATE_FOLDER), target_is_directory=True)
    say(
        f"scratch repository {root}: its rollouts are short, with a load test of {TIMING.requests_per_second:g} "
        f"requests per second for {TIMING.load_seconds:g} s, {TIMING.soak_seconds:g} s per traffic step, and an SLO of "
        f"{TIMING.p95_milliseconds:,.0f} ms p95 latency"
    )
    return Scratch(ScratchRepository(root), load_project(root))


def _source(project: Project, repository: ScratchRepository) -> tuple[str, PurePosixPath]:
    """The commit to work on, and the path of the project in it."""
    own = Repository(project.root)
    if own.resolve("HEAD") is not None and own.is_pristine():
        return repository.take_head(own), own.prefix()
    return repository.take_files(project.root), PurePosixPath(".")


def _changes(
    repository: ScratchRepository,
    order: StageOrder,
    source: str,
    below: PurePosixPath,
    gates: Callable[[str], bytes],
) -> dict[PurePosixPath, bytes]:
    """The files that a demo changes before it begins."""
    change: dict[str, Callable[[str], bytes]] = {GATES_FILE.as_posix(): gates}
    # A demo's builder is the machine that it runs on.
    change[POLICY_FILE.as_posix()] = lambda text: with_builder(text, WORKSTATION, order)
    for stage in order:
        change[manifest_path(stage).as_posix()] = partial(with_timing, stage=stage, timing=TIMING)
    texts = {path: repository.read(source, below / path) for path in change}
    return {below / path: change[path](text) for path, text in texts.items() if text is not None}


def _differs(repository: ScratchRepository, files: dict[PurePosixPath, bytes], path: PurePosixPath) -> bool:
    """Whether an earlier demo began with another content of a file."""
    before = repository.read(BRANCH, path)
    return (None if before is None else before.encode()) != files.get(path)
