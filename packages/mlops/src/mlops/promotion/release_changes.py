"""What a range of commits changes in the stages: told by git alone, without a workspace or a login."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from mlops.core.documents import parse_checked
from mlops.core.errors import InputError, ProjectError
from mlops.core.git import Repository
from mlops.core.layout import PROJECT_FILE
from mlops.core.results import Block, Line, Result, Table
from mlops.core.source_location import Place
from mlops.settings.project import STAGE_NAMES, Settings, StageName
from mlops.settings.releases import RELEASE_FOLDER, LeftOut, Manifest, Release, left_out, manifest_path, parse_manifest

Kind = Literal["first release", "release", "removal", "settings"]

# The changes by which a stage gets another model.
RELEASING: Final[frozenset[Kind]] = frozenset({"first release", "release"})
_DIGEST_CHARACTERS: Final = 19
_NOTHING: Final = "-"
_NOTHING_BEFORE: Final = re.compile(r"0{40}(0{24})?")


@dataclass(frozen=True)
class Setting:
    """A key of rollout or slo whose value changes; None stands for a manifest that was not there."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True)
class StageChange:
    """How one stage changes; `left_out` says what its manifest asks for and its serving does not offer."""

    stage: StageName
    kind: Kind
    before: Release | None
    after: Release | None
    settings: tuple[Setting, ...]
    left_out: tuple[LeftOut, ...] = ()

    def document(self) -> dict[str, Any]:
        """Everything; `deploy` says whether the stage has something to roll out."""
        return {
            "stage": self.stage,
            "change": self.kind,
            "deploy": self.after is not None,
            "from": self.before.model_dump(mode="json") if self.before else None,
            "to": self.after.model_dump(mode="json") if self.after else None,
            "settings": [asdict(setting) for setting in self.settings],
            "left_out": [asdict(each) for each in self.left_out],
        }

    def row(self) -> tuple[str, ...]:
        """The change in a line of a table."""
        settings = ", ".join(f"{each.key} {each.before} → {each.after}" for each in self.settings)
        old, new = (each.model if each else None for each in (self.before, self.after))
        named = new or old
        return (
            self.stage,
            self.kind,
            named.name if named else _NOTHING,
            _arrow(old.version if old else _NOTHING, new.version if new else _NOTHING),
            _arrow(*(each.digest[:_DIGEST_CHARACTERS] if each else _NOTHING for each in (old, new))),
            settings or _NOTHING,
        )


@dataclass(frozen=True)
class PlanResult(Result):
    """The stages that change, in the order in which they are deployed, and the manifests that cannot be read."""

    since: str
    changes: tuple[StageChange, ...]
    problems: tuple[str, ...]
    places: tuple[Place, ...] = ()

    @property
    def outputs(self) -> dict[str, str]:
        """A flag for each stage that has something to roll out, and one for releases that gates must judge."""
        deployed = {change.stage for change in self.changes if change.after is not None}
        flags = {stage: stage in deployed for stage in STAGE_NAMES} | {"releases": bool(self.to_judge)}
        return {name: str(flag).lower() for name, flag in flags.items()}

    @property
    def to_judge(self) -> tuple[StageChange, ...]:
        """The stages that shall run another model than before."""
        return tuple(change for change in self.changes if change.kind in RELEASING)

    @property
    def exit_code(self) -> int:
        """That of a wrong project file, when a manifest cannot be read."""
        return ProjectError.exit_code if self.problems else 0

    def document(self) -> dict[str, Any]:
        """Everything."""
        changes = [change.document() for change in self.changes]
        return {"since": self.since, "stages": changes, "problems": list(self.problems)}

    def blocks(self) -> Sequence[Block]:
        """A row for each stage that changes."""
        columns = ("stage", "change", "model", "version", "digest", "settings")
        rows = tuple(change.row() for change in self.changes)
        problems = [Line(problem, "bad") for problem in self.problems]
        without = [
            Line(f"{change.stage}: {each.phase} is left out: {each.reason}")
            for change in self.changes
            for each in change.left_out
        ]
        if rows:
            return [Table(f"since {self.since}", columns, rows), *without, *problems]
        return problems or [Line(f"no stage changes since {self.since}", "good")]


def plan(repository: Repository, since: str) -> PlanResult:
    """Compare the manifests at `since` with those at HEAD. Raises InputError for a revision that is none.

    A commit of zeros, which CI systems give for "nothing before", stands for a project without manifests.
    """
    if not _NOTHING_BEFORE.fullmatch(since) and repository.resolve(since) is None:
        raise InputError(
            f"git knows no revision '{since}'",
            "Fetch it first; a shallow clone knows little of its past (`git fetch --unshallow`).",
        )
    changes: list[StageChange] = []
    problems: list[str] = []
    places: list[Place] = []
    for stage in STAGE_NAMES:
        path = manifest_path(stage)
        texts = [repository.read(revision, path) for revision in (since, "HEAD")]
        if texts[0] == texts[1]:
            continue
        if texts[1] is None:
            problems.append(f"{path}:1: the manifest is gone; restore it, with `release: null` for no release")
            continue
        try:
            after = parse_manifest(texts[1], stage)
        except ProjectError as error:
            problems += [f"{RELEASE_FOLDER}/{detail}" for detail in error.details] or [error.message]
            places += [replace(place, file=repository.folder / path) for place in error.places]
            continue
        change = compare(stage, _earlier(texts[0], stage), after)
        changes += [_with_left_out(repository, change, after)] if change else []
    return PlanResult(since, tuple(changes), tuple(problems), tuple(places))


def compare(stage: StageName, before: Manifest | None, after: Manifest) -> StageChange | None:
    """How a stage changes from one manifest (None: there was none) to another; None when it does not."""
    old = before.release if before else None
    settings = _settings(before, after)
    if old == after.release:
        return StageChange(stage, "settings", old, after.release, settings) if before and settings else None
    if after.release is None:
        return StageChange(stage, "removal", old, None, settings)
    return StageChange(stage, "release" if old else "first release", old, after.release, settings)


def _with_left_out(repository: Repository, change: StageChange, manifest: Manifest) -> StageChange:
    """What project.yml, where it can be read, makes of the rollout; `mlops check` tells of one that cannot."""
    text = repository.read("HEAD", PurePosixPath(PROJECT_FILE)) if change.after else None
    try:
        settings = parse_checked(text or "", Path(PROJECT_FILE), Settings).value
    except ProjectError:
        return change
    return replace(change, left_out=left_out(manifest.rollout, settings.stage(change.stage).serving))


def _earlier(text: str | None, stage: StageName) -> Manifest | None:
    """The manifest as it was; one that could not be read then is as good as none."""
    if text is None:
        return None
    try:
        return parse_manifest(text, stage)
    except ProjectError:
        return None


def _settings(before: Manifest | None, after: Manifest) -> tuple[Setting, ...]:
    if before is None:
        return ()
    old, new = (_flat(each.model_dump(mode="json", exclude={"release"})) for each in (before, after))
    return tuple(Setting(key, old.get(key), value) for key, value in new.items() if old.get(key) != value)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _arrow(before: str, after: str) -> str:
    return after if before == after else f"{before} → {after}"
