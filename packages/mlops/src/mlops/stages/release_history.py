"""What judges a release: the stages and the rules from before it, never those that come with it.

A release is judged by the list of stages at the first parent of the commit that introduced it, never by today's: adding
a stage invalidates no past release, and a change of the list cannot authorise a release in the same change. The same
holds for its gates, provenance policy, SLO and rollout: a change is judged by the rules of the revision it is based on.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from mlops.cli.progress import say
from mlops.core.documents import CheckedFile, YamlError, parse_yaml, read_checked
from mlops.core.errors import ProjectError
from mlops.core.git import Repository
from mlops.core.layout import CODE_THAT_JUDGES, EXTENSION_FOLDER, PROJECT_FILE, SCHEMA_FILE
from mlops.githost.hosts import WORKFLOW_PLACES
from mlops.settings.gates import GATES_FILE
from mlops.settings.policies import POLICY_FILE, Policy, parse_policy, read_policy
from mlops.settings.project import Project, load_project
from mlops.settings.releases import (
    RELEASE_FOLDER,
    RULE_NAMES,
    Manifest,
    Release,
    manifest_file,
    manifest_path,
    parse_manifest,
    parse_release,
)
from mlops.settings.stages import StageName, StageOrder

_PROJECT_PATH: Final = PurePosixPath(PROJECT_FILE)
_EXTENSION_PATH: Final = PurePosixPath(EXTENSION_FOLDER)
_HEAD: Final = "HEAD"
_SHORT: Final = 12


def order_at(repository: Repository, revision: str) -> StageOrder | None:
    """The stages that project.yml listed at a revision, in any format; None if it listed none."""
    text = _readable(repository, revision, _PROJECT_PATH)
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
    path, branch = manifest_path(stage), repository.known_default_tip()
    if branch and _released(_readable(repository, branch, path), stage) == release:
        # Otherwise a branch that merged the default branch would seem to have introduced everything in it.
        revision = branch
    commits = repository.changes_of(path, revision, first_parent=True)
    for commit, text in zip(reversed(commits), reversed(repository.read_at(commits, path)), strict=True):
        # Most versions of a manifest name other models: they need not be parsed.
        if text and release.model.digest in text and _released(text, stage) == release:
            return commit
    return None


def _readable(repository: Repository, revision: str, path: PurePosixPath) -> str | None:
    try:
        return repository.read(revision, path)
    except ProjectError:
        return None


def _released(text: str | None, stage: StageName) -> Release | None:
    try:
        return None if text is None else parse_release(text, stage)
    except ProjectError:
        return None


def manifest_to_roll_out(project: Project, stage: StageName) -> Manifest:
    """The same, with the rollout and the SLO that judge its release: those from before it, if it brought others."""
    manifest = read_judged_manifest(project, stage)
    texts = _around(project, stage, manifest.release, manifest_path(stage))
    try:
        before, after = (parse_manifest(text or "", stage) for text in texts)
    except (ProjectError, ValueError):
        # No commit released it, or the manifest before it has a format of the past.
        return manifest
    if _settings(manifest) != _settings(after) or _settings(after) == _settings(before):
        return manifest
    for line in _differences(str(manifest_path(stage)), *(_values(text or "") for text in texts)):
        say(f"{line}: changed together with the release, so its rollout is judged by the value before")
    return manifest.model_copy(update={"rollout": before.rollout, "slo": before.slo})


def policy_to_deploy(project: Project, stage: StageName, release: Release | None) -> Policy:
    """The provenance policy that judges a release: the one from before it, if it brought another.

    Raises ProjectError for a broken policy, and for one that came with its first release.
    """
    path = PurePosixPath(POLICY_FILE.as_posix())
    texts, file = _around(project, stage, release, path), project.path(POLICY_FILE)
    if texts and texts[0] != texts[1] and file.is_file() and file.read_bytes() == (texts[1] or "").encode():
        if texts[0] is None:
            raise _own_rule(path, "the commit before the release")
        return parse_policy(texts[0], project.order)
    return read_policy(project.root, project.order)


def _around(
    project: Project, stage: StageName, release: Release | None, path: PurePosixPath
) -> tuple[str | None, str | None] | tuple[()]:
    """A file's text before a release came and with it; nothing if no commit brought it, or the first one did."""
    repository = Repository(project.root)
    if release is None or repository.resolve(_HEAD) is None:
        return ()
    commit = _introduced(repository, _HEAD, stage, release)
    parent = repository.resolve(f"{commit}^1") if commit else None
    return (_readable(repository, parent, path), _readable(repository, commit, path)) if commit and parent else ()


def _settings(manifest: Manifest) -> tuple[Any, ...]:
    return manifest.rollout, manifest.slo


@dataclass(frozen=True)
class BaseRules:
    """The rules that judge a change: those at `commit`, which `project` reads (None: without history, today's).

    `changes` are the rules, and the files of code that judges, which the change would change; a sentence for each.
    """

    project: Project
    commit: str | None = None
    changes: tuple[str, ...] = ()


# What `rules_at` reads from before a change; the rest of the rules judges no release.
_JUDGING: Final = (_PROJECT_PATH, *(PurePosixPath(file) for file in (SCHEMA_FILE, GATES_FILE, POLICY_FILE)))
_RULES: Final = (*_JUDGING, *(PurePosixPath(RELEASE_FOLDER, f"{name}.yml") for name in RULE_NAMES))
# Code that runs as the change has it: its owners must review it (CODEOWNERS).
_CODE: Final = tuple(map(PurePosixPath, (*WORKFLOW_PLACES, *CODE_THAT_JUDGES)))
_MOST_CHANGES: Final = 30
_LONGEST_VALUE: Final = 60
_NAMES: Final = ("measure", "name")


def rules_at(project: Project, revision: str | None) -> BaseRules:
    """The rules at the revision that a change is based on; its extensions/ measure from now on.

    Raises ProjectError for rules that did not exist there, or that this version cannot read.
    """
    repository = Repository(project.root)
    commit = repository.resolve(revision) if revision else None
    if commit is None:
        return BaseRules(project)
    changes = rule_changes(repository, project.order, commit)
    code = {*repository.files_at(commit, _EXTENSION_PATH), *_files(project.root, EXTENSION_FOLDER)}
    paths = (*_JUDGING, *(path for path in code if path.suffix == ".py"))
    texts = {path: repository.read(commit, path) for path in paths}
    if all(_bytes(project.root / path) == (None if text is None else text.encode()) for path, text in texts.items()):
        return BaseRules(project, commit, changes)
    # Not below the project: a change might have put files there already.
    folder = Path(tempfile.mkdtemp(prefix="mlops-rules-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for path, text in texts.items():
        if text is not None:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text.encode())
        elif path in _JUDGING and (project.root / path).is_file():
            raise _own_rule(path, commit[:_SHORT])
    try:
        return BaseRules(load_project(folder), commit, changes)
    except ProjectError as error:
        message = f"the rules at {commit[:_SHORT]}, which judge this change, cannot be read: {error.message}"
        advice = "Correct the rules in a pull request of their own, and release after it."
        raise ProjectError(message, advice, error.details) from error


def _own_rule(path: PurePosixPath, where: str) -> ProjectError:
    return ProjectError(
        f"{path} does not exist at {where}, and a change is not judged by rules that come with it",
        f"Merge {path} in a pull request of its own, and release after it.",
    )


def rule_changes(repository: Repository, order: StageOrder, commit: str) -> tuple[str, ...]:
    """What the working tree changes in the rules since a commit: values in YAML files, names of other files."""
    manifests = tuple(manifest_path(stage) for stage in order)
    found = []
    for path in repository.changed(commit, None):
        if path in (*_RULES, *manifests):
            texts = (
                _readable(repository, commit, path),
                (_bytes(repository.folder / path) or b"").decode(errors="replace"),
            )
            found += _differences(str(path), *(_values(text or "") for text in texts))
        elif path.is_relative_to(_EXTENSION_PATH):
            found.append(str(path))
    top = Repository(repository.top())
    found += [str(path) for path in top.changed(commit, None) if any(path.is_relative_to(each) for each in _CODE)]
    rest = len(found) - _MOST_CHANGES
    return (*found[:_MOST_CHANGES], *([f"and {rest} more"] if rest > 0 else []))


def _differences(file: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    keys = dict.fromkeys([*before, *after])
    shown = {key: [str(each.get(key, "nothing"))[:_LONGEST_VALUE] for each in (before, after)] for key in keys}
    return [f"{file}: {key} {old} → {new}" for key, (old, new) in shown.items() if before.get(key) != after.get(key)]


def _values(text: str) -> dict[str, Any]:
    """Every value of a YAML file besides a release, by its keys; the text itself of what is not YAML."""
    try:
        document = parse_yaml(text).value
    except YamlError:
        return {"": text}
    return {key: value for key, value in _flat(document).items() if key.partition(".")[0] != "release"}


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, list):
        names = [next((each[key] for key in _NAMES if key in each), None) for each in value if isinstance(each, dict)]
        value = dict(zip(names, value, strict=False)) if names and None not in names else value
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    inner = (_flat(each, f"{prefix}.{key}" if prefix else str(key)) for key, each in value.items())
    return {key: found for part in inner for key, found in part.items()}


def _bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _files(root: Path, folder: Path) -> Iterator[PurePosixPath]:
    return (PurePosixPath(file.relative_to(root).as_posix()) for file in (root / folder).glob("*"))
