"""Which stage a release may come from, by the stages that project.yml listed when the release was committed.

A release is judged by the list at the first parent of the commit that introduced it, never by today's: adding a stage
invalidates no past release, and a change of the list cannot authorise a release in the same change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from mlops.core.documents import CheckedFile, YamlError, parse_yaml, read_checked
from mlops.core.errors import ProjectError
from mlops.core.git import Repository
from mlops.core.layout import EXTENSION_FOLDER, PROJECT_FILE
from mlops.settings.project import Project
from mlops.settings.releases import Manifest, Release, manifest_file, manifest_path, parse_release
from mlops.settings.stages import StageName, StageOrder

_PROJECT_PATH: Final = PurePosixPath(PROJECT_FILE)
_EXTENSION_PATH: Final = PurePosixPath(EXTENSION_FOLDER)
_HEAD: Final = "HEAD"
_SHORT: Final = 12


def order_at(repository: Repository, revision: str) -> StageOrder | None:
    """The stages that project.yml listed at a revision, in any format; None if it listed none."""
    text = repository.read(revision, _PROJECT_PATH)
    try:
        document = parse_yaml(text or "").value
    except YamlError:
        return None
    stages = document.get("stages") if isinstance(document, dict) else None
    if isinstance(stages, list):
        stages = [stage.get("name") for stage in stages if isinstance(stage, dict)]
    # Before format 1 each stage was a key, in the same order.
    names = tuple(name for name in stages or () if isinstance(name, str))
    return StageOrder(names) if names else None


def release_at(repository: Repository, revision: str | None, stage: StageName) -> Release | None:
    """What a stage's manifest released at a revision; None for nothing. Raises ProjectError."""
    text = repository.read(revision, manifest_path(stage)) if revision else None
    return parse_release(text, stage) if text is not None else None


def skipped_stage(repository: Repository, revision: str, stage: StageName, release: Release) -> str | None:
    """What is wrong with a release's source stage, in a sentence; None if it is the right one.

    `revision` has the release in the stage's manifest, or is about to.
    """
    branch = repository.known_default_tip()
    if branch and _released(repository.read(branch, manifest_path(stage)), stage) == release:
        # Otherwise a branch that merged the default branch would seem to have introduced everything in it.
        revision = branch
    introduced = _introduced(repository, revision, stage, release)
    judge = (repository.resolve(f"{introduced}^1") or introduced) if introduced else revision
    order = order_at(repository, judge) or order_at(repository, introduced or revision) or order_at(repository, _HEAD)
    if order is None:
        return None
    problem = _wrong_source(order, stage, release)
    if problem is None:
        return None
    shallow = (
        ". The clone is shallow and lacks the commit that released it: fetch the full history"
        if repository.is_shallow()
        else ""
    )
    return f"{problem} (project.yml at {judge[:_SHORT]} lists {order}){shallow}"


def mixed_changes(repository: Repository, since: str) -> tuple[str, ...]:
    """The commits or merges since a revision that release, and change the stages or extensions/ too, as sentences.

    Neither may authorise a release of the same change: the code of extensions/ measures what gates judge.
    """
    problems = []
    for commit in _changes_since(repository, since, _PROJECT_PATH):
        before, after = (order_at(repository, revision) for revision in (f"{commit}^1", commit))
        if before is None or after is None or before == after:
            continue
        line = _line_of_stages(repository, commit)
        problems += [
            f"{PROJECT_FILE}:{line}: stages: commit {commit[:_SHORT]} changes them from {before} to {after}, "
            f"and releases to {stage}; open two pull requests, the stages first"
            for stage in _released_by(repository, commit, after)
        ]
    for commit in _changes_since(repository, since, _EXTENSION_PATH):
        problems += [
            f"{_EXTENSION_PATH}/: commit {commit[:_SHORT]} changes code that measures for the gates, and releases to "
            f"{stage}; open two pull requests, the extensions first"
            for stage in _released_by(repository, commit, order_at(repository, commit) or ())
        ]
    return tuple(problems)


def _changes_since(repository: Repository, since: str, path: PurePosixPath) -> tuple[str, ...]:
    return repository.changes_of(path, f"{since}..{_HEAD}", first_parent=True)


def _released_by(repository: Repository, commit: str, stages: Iterable[StageName]) -> Iterator[StageName]:
    """The stages to which a commit releases something that the default branch does not release yet."""
    branch = repository.known_default_tip()
    for stage in stages:
        release = release_at(repository, commit, stage)
        is_new = release != release_at(repository, f"{commit}^1", stage)
        if release and is_new and not (branch and release_at(repository, branch, stage) == release):
            yield stage


def _line_of_stages(repository: Repository, revision: str) -> int:
    return parse_yaml(repository.read(revision, _PROJECT_PATH) or "").line_of(("stages",))


def read_judged_manifest(project: Project, stage: StageName) -> Manifest:
    """The validated manifest of a stage in the working tree. Raises ProjectError as `read_manifest` does."""
    checked = read_checked(manifest_file(project.root, stage), Manifest)
    if checked.value.release is not None:
        _judge(checked, project, stage, checked.value.release)
    return checked.value


def _judge(checked: CheckedFile[Manifest], project: Project, stage: StageName, release: Release) -> None:
    repository = Repository(project.root)
    if repository.resolve(_HEAD):
        problem = skipped_stage(repository, _HEAD, stage, release)
    else:
        # No history, as in an archive of the files: only the list beside the manifest is left.
        problem = _wrong_source(project.order, stage, release)
    if problem:
        checked.refuse([(("release", "source", "stage"), problem)])


def _wrong_source(order: StageOrder, stage: StageName, release: Release) -> str | None:
    """Why a release is not valid for an order of stages; None if it is."""
    if stage not in order.names:
        return f"{stage} was not yet a stage: add it with `release: null` first, and release to it once that is merged"
    if release.source.stage == order.source_of(stage):
        return None
    return f"{stage} takes models from {order.source_of(stage)}, not {release.source.stage}; promote stage by stage"


def _introduced(repository: Repository, revision: str, stage: StageName, release: Release) -> str | None:
    """The first commit up to `revision` whose manifest has exactly this release; None if no commit has."""
    path = manifest_path(stage)
    commits = repository.changes_of(path, revision, first_parent=True)
    for commit, text in zip(reversed(commits), reversed(repository.read_at(commits, path)), strict=True):
        # Most versions of a manifest name other models: they need not be parsed.
        if text and release.model.digest in text and _released(text, stage) == release:
            return commit
    return None


def _released(text: str | None, stage: StageName) -> Release | None:
    try:
        return None if text is None else parse_release(text, stage)
    except ProjectError:
        return None
