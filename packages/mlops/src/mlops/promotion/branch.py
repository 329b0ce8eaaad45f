"""A promotion as a branch: the manifest with its release and the report beside it, committed and pushed."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from mlops.core.errors import InputError, MachineError, ProjectError
from mlops.core.git import REMOTE, Repository
from mlops.gates.plots import draw_plots
from mlops.gates.render import html_report, markdown_report
from mlops.gates.report import GateReport
from mlops.settings.releases import RELEASE_FOLDER, Model, Release, manifest_path, write_release
from mlops.settings.stages import StageName

PROMOTIONS: Final = "promote"
REPORT_FOLDER: Final = PurePosixPath(RELEASE_FOLDER.as_posix()) / "reports"
_COMMITTED_REPORT: Final = 200_000
_ATTEMPTS: Final = 4
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]")
_HASH_CHARACTERS: Final = 8


@dataclass(frozen=True)
class Base:
    """What a promotion is built on: a commit of the remote's default branch; `remote` is its address, if any."""

    commit: str
    branch: str
    remote: str | None


def find_base(repository: Repository) -> Base:
    """The newest commit of the remote's default branch; without a remote, the commit checked out.

    Raises InputError outside of a git repository with a commit.
    """
    if repository.resolve("HEAD") is None:
        raise InputError(
            f"{repository.folder} is no git repository with a commit",
            "A promotion is a commit on a branch: `git init`, and commit the project.",
        )
    address = repository.remote_url(REMOTE)
    branch = repository.default_branch(REMOTE) if address else None
    tip = repository.fetch(REMOTE, branch) if branch else None
    if address and (branch is None or tip is None):
        raise MachineError(
            f"the remote '{REMOTE}' does not answer, or has no default branch",
            "Is it reachable, and is a branch pushed to it? `git remote show origin` tells.",
        )
    return Base(tip or repository.head(), branch or "the branch checked out", address)


def branch_name(repository: Repository, stage: StageName, model: Model) -> str:
    """promote/<stage>/<model>-<version>; what git takes for no branch is told apart by a hash."""
    return _branch(repository, f"{PROMOTIONS}/{stage}", model)


def revert_branch(repository: Repository, stage: StageName, model: Model) -> str:
    """revert/<stage>/<model>-<version>, by the model that is taken back."""
    return _branch(repository, f"revert/{stage}", model)


def report_folder(stage: StageName, model: Model) -> PurePosixPath:
    """Where a promotion's report lies in the repository."""
    return REPORT_FOLDER / _UNSAFE.sub("-", f"{stage}-{model.name}-{model.version}")


def release_text(text: str, stage: StageName, release: Release) -> bytes:
    """A manifest's text with a release in it. Raises ProjectError for a text that is no manifest."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{stage}.yml"
        file.write_text(text, encoding="utf-8")
        write_release(file, release)
        return file.read_bytes()


def promotion_files(repository: Repository, base: Base, report: GateReport) -> dict[PurePosixPath, bytes]:
    """Every file of a promotion: the manifest, the report, its plots."""
    stage, release = report.proposal.stage, report.proposal.challenger.release
    text = repository.read(base.commit, manifest_path(stage))
    if text is None:
        raise ProjectError(f"{manifest_path(stage)} is not on {base.branch}", "Restore it from the template.")
    folder = report_folder(stage, release.model)
    plots = {title: f"{_slug(title)}.svg" for title in draw_plots(report)}
    files = {folder / plots[title]: picture.encode() for title, picture in draw_plots(report).items()}
    return {
        manifest_path(stage): release_text(text, stage, release),
        folder / "report.md": markdown_report(report, _COMMITTED_REPORT, plots).encode(),
        folder / "report.html": html_report(report).encode(),
        **files,
    }


def plot_paths(report: GateReport) -> dict[str, PurePosixPath]:
    """Title → path of each plot among the promotion's files."""
    folder = report_folder(report.proposal.stage, report.proposal.challenger.release.model)
    return {title: folder / f"{_slug(title)}.svg" for title in draw_plots(report)}


def publish(repository: Repository, base: Base, branch: str, files: Mapping[PurePosixPath, bytes], message: str) -> str:
    """Commit the files on the branch and push it; the commit. The checkout is left alone.

    Whoever promotes the same at the same moment makes the same branch: the later one wins, none is lost.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            commit = repository.commit_on_branch(branch, base.commit, files, message)
            if base.remote:
                repository.push(REMOTE, branch)
        except MachineError:
            if attempt == _ATTEMPTS:
                raise
        else:
            return commit
    raise AssertionError("unreachable: the last attempt returns or raises")


def _branch(repository: Repository, folder: str, model: Model) -> str:
    text = f"{model.name}-{model.version}"
    name = f"{folder}/{text}"
    if repository.is_branch_name(name) and not _UNSAFE.search(text):
        return name
    plain = re.sub(r"\.+", "-", _UNSAFE.sub("-", text)).strip("-")
    return f"{folder}/{plain}-{hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARACTERS]}"


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
