"""What a range of commits changes in the stages: from git alone, without a workspace or a login."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final, Literal

from mlops.core.documents import parse_yaml
from mlops.core.errors import InputError, ProjectError
from mlops.core.git import Repository
from mlops.core.layout import PROJECT_FILE
from mlops.core.results import Block, Line, Result, SourceLocation, Table
from mlops.settings.project import Settings, parse_settings
from mlops.settings.releases import (
    RELEASE_FOLDER,
    Manifest,
    Release,
    SkippedPhase,
    manifest_path,
    parse_manifest,
    parse_release,
    skipped_phases,
)
from mlops.settings.stages import StageName, StageOrder
from mlops.stages.release_history import mixed_changes, order_at, rule_changes, skipped_stage

Kind = Literal["first release", "release", "removal", "settings"]

# The changes that give a stage another model.
RELEASING: Final[frozenset[Kind]] = frozenset({"first release", "release"})
_DIGEST_CHARACTERS: Final = 19
_NOTHING: Final = "-"
_HEAD: Final = "HEAD"
_PROJECT_PATH: Final = PurePosixPath(PROJECT_FILE)
_SOURCE_STAGE: Final = ("release", "source", "stage")
_NOTHING_BEFORE: Final = re.compile(r"0{40}(0{24})?")


@dataclass(frozen=True)
class Setting:
    """A key of rollout or slo whose value changes; None for a missing manifest."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True)
class StageChange:
    """How one stage changes; `skipped_phases` are those that its manifest requests but its serving does not offer."""

    stage: StageName
    kind: Kind
    before: Release | None
    after: Release | None
    settings: tuple[Setting, ...]
    skipped_phases: tuple[SkippedPhase, ...] = ()

    def document(self) -> dict[str, Any]:
        """Everything; `deploy` says whether the stage has something to roll out."""
        return {
            "stage": self.stage,
            "change": self.kind,
            "deploy": self.after is not None,
            "from": self.before.model_dump(mode="json") if self.before else None,
            "to": self.after.model_dump(mode="json") if self.after else None,
            "settings": [asdict(setting) for setting in self.settings],
            "skipped_phases": [asdict(each) for each in self.skipped_phases],
        }

    def row(self) -> tuple[str, ...]:
        """The change as a table row."""
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
    """The stages that change, in deployment order, and the manifests that cannot be read.

    `rule_changes` are the rules, and the files of code that judges, that change; a sentence for each.
    """

    since: str
    order: StageOrder
    order_before: StageOrder
    changes: tuple[StageChange, ...]
    problems: tuple[str, ...]
    locations: tuple[SourceLocation, ...] = ()
    rule_changes: tuple[str, ...] = ()

    @property
    def outputs(self) -> dict[str, str]:
        """One flag per stage that has something to roll out, and one for releases that gates must judge."""
        deployed = {change.stage for change in self.changes if change.after is not None}
        flags = {stage: stage in deployed for stage in self.order} | {"releases": bool(self.to_judge)}
        return {name: str(flag).lower() for name, flag in flags.items()}

    @property
    def to_judge(self) -> tuple[StageChange, ...]:
        """The stages whose model changes."""
        return tuple(change for change in self.changes if change.kind in RELEASING)

    @property
    def exit_code(self) -> int:
        """That of an invalid project file, if a manifest cannot be read."""
        return ProjectError.exit_code if self.problems else 0

    def document(self) -> dict[str, Any]:
        """Everything."""
        changes = [change.document() for change in self.changes]
        order = list(self.order)
        rules = {"rule_changes": list(self.rule_changes)}
        return {"since": self.since, "order": order, "stages": changes, **rules, "problems": list(self.problems)}

    def blocks(self) -> Sequence[Block]:
        """One row per stage that changes."""
        columns = ("stage", "change", "model", "version", "digest", "settings")
        rows = tuple(change.row() for change in self.changes)
        problems = [Line(problem, "bad") for problem in self.problems]
        without = [
            Line(f"{change.stage}: {each.phase} is skipped: {each.reason}")
            for change in self.changes
            for each in change.skipped_phases
        ]
        reordered = self.order != self.order_before
        listed = [Line(f"the stages were {self.order_before}, and are now {self.order}")] if reordered else []
        rules = [Line(f"  {each}") for each in self.rule_changes]
        judged = [Line("rules, or code that judges, change; a release is judged by those before:"), *rules]
        rest = [*(judged if rules else ()), *problems]
        if rows:
            return [*listed, Table(f"since {self.since}", columns, rows, ("model", "digest")), *without, *rest]
        nothing = [] if listed or problems else [Line(f"no stage changes since {self.since}", "good")]
        return [*listed, *nothing, *rest]


def plan(repository: Repository, since: str) -> PlanResult:
    """Compare the manifests at `since` with those at HEAD. Raises InputError for an unknown revision.

    A commit of zeros, which CI systems use for "nothing before", stands for a project without manifests. Raises
    ProjectError if project.yml at HEAD cannot be read: it lists the stages.
    """
    if not _NOTHING_BEFORE.fullmatch(since) and repository.resolve(since) is None:
        raise InputError(
            f"unknown revision '{since}'",
            "Fetch it first; a shallow clone lacks older history (`git fetch --unshallow`).",
        )
    settings = parse_settings(repository.read(_HEAD, _PROJECT_PATH) or "")
    found = [_planned(repository, settings, since, stage) for stage in settings.order]
    commit = None if _NOTHING_BEFORE.fullmatch(since) else repository.resolve(since)
    mixed = mixed_changes(repository, since) if commit else ()
    rules = rule_changes(repository, settings.order, commit) if commit else ()
    manifests = tuple(f"{manifest_path(stage)}:" for stage in settings.order)
    return PlanResult(
        since,
        settings.order,
        order_at(repository, since) or settings.order,
        tuple(change for each in found for change in each.changes),
        (*mixed, *(problem for each in found for problem in each.problems)),
        tuple(location for each in found for location in each.locations),
        # What changes in a manifest stands among the stage's settings.
        tuple(each for each in rules if not each.startswith(manifests)),
    )


@dataclass(frozen=True)
class _Planned:
    """The change of one stage."""

    changes: tuple[StageChange, ...] = ()
    problems: tuple[str, ...] = ()
    locations: tuple[SourceLocation, ...] = ()


def _planned(repository: Repository, settings: Settings, since: str, stage: StageName) -> _Planned:
    path = manifest_path(stage)
    before = text = None
    with suppress(ProjectError):
        before = repository.read(since, path)
    try:
        text = repository.read(_HEAD, path)
    except ProjectError:
        return _Planned(problems=(f"{path}:1: the manifest is not UTF-8 text; restore it from git",))
    if before == text:
        return _Planned()
    if text is None:
        return _Planned(
            problems=(f"{path}:1: the manifest is missing; restore it, with `release: null` for no release",)
        )
    try:
        after = parse_manifest(text, stage)
    except ProjectError as error:
        problems = tuple(f"{RELEASE_FOLDER}/{detail}" for detail in error.details) or (error.message,)
        return _Planned((), problems, tuple(replace(each, file=repository.folder / path) for each in error.locations))
    change = compare(stage, *_earlier(before, stage), after)
    if change is None:
        return _Planned()
    if change.after is not None and change.kind in RELEASING:
        skipped = skipped_stage(repository, _HEAD, stage, change.after)
        if skipped:
            line = parse_yaml(text).line_of(_SOURCE_STAGE)
            location = SourceLocation(repository.folder / path, line, skipped)
            return _Planned((change,), (f"{path}:{line}: {'.'.join(_SOURCE_STAGE)}: {skipped}",), (location,))
    return _Planned((_with_skipped_phases(settings, change, after),))


def compare(stage: StageName, old: Release | None, before: Manifest | None, after: Manifest) -> StageChange | None:
    """How a stage changes from one release and manifest (None: unreadable) to another; None if it does not."""
    settings = _settings(before, after)
    if old == after.release:
        return StageChange(stage, "settings", old, after.release, settings) if settings else None
    if after.release is None:
        return StageChange(stage, "removal", old, None, settings)
    return StageChange(stage, "release" if old else "first release", old, after.release, settings)


def _with_skipped_phases(settings: Settings, change: StageChange, manifest: Manifest) -> StageChange:
    """The change with the phases that the stage's serving in project.yml skips."""
    if change.after is None:
        return change
    return replace(change, skipped_phases=skipped_phases(manifest.rollout, settings.stage(change.stage).serving))


def _earlier(text: str | None, stage: StageName) -> tuple[Release | None, Manifest | None]:
    """The earlier release and manifest; an unreadable one counts as missing."""
    release = manifest = None
    with suppress(ProjectError):
        release = parse_release(text, stage) if text is not None else None
    with suppress(ProjectError):
        manifest = parse_manifest(text, stage) if text is not None else None
    return release, manifest


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
