"""Whether a package is what it claims to be: its bytes, provenance, golden cases, recorded results, schema and size.

Claims are compared with what the artefacts show; a claim is never taken for evidence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mlops.settings.releases import Release
from model_package.digest import folder_digest
from model_package.errors import MeasurementError, UnreadableRows
from model_package.golden import GoldenCase
from model_package.measures import Measure
from model_package.package import GOLDEN_FILE, read_evaluation, read_golden
from model_package.provenance import UNKNOWN, Provenance
from model_package.rows.cells import listed
from model_package.rows.encoding import Tensors
from model_package.rows.requests import request_tensors
from model_package.rows.rules import RowRules
from model_package.runtime import Scorer
from model_package.schema import INTEGER, NUMBER, Feature, Schema, written
from model_package.tasks import Task

_COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_UNSTATED: Final = ("", UNKNOWN)
_MEGABYTE: Final = 1_000_000


def digest_differences(candidates: Mapping[str, tuple[Path, Release]]) -> Measure:
    """Count the packages whose bytes differ from the digest in their manifest: role → (folder, release)."""
    details = []
    for role, (folder, release) in candidates.items():
        found = folder_digest(folder)
        if found != release.model.digest:
            details.append(f"the {role}'s package has {found}, its manifest promises {release.model.digest}")
    return Measure(float(len(details)), details=tuple(details))


def provenance_gaps(provenance: Provenance, release: Release, warnings: Sequence[str] = ()) -> Measure:
    """Count what provenance.json lacks, where it contradicts the manifest, and the given warnings about it."""
    facts = {
        "git_commit": (provenance.git_commit, release.source.git_commit),
        "job": (provenance.job, release.source.job),
        "data.name": (provenance.data.name, release.source.data.name),
        "data.version": (provenance.data.version, release.source.data.version),
        "data.sha256": (provenance.data.sha256, release.source.data.sha256),
    }
    details = [f"{name} is unknown" for name, (stated, _) in facts.items() if stated in _UNSTATED]
    details += [
        f"{name} is '{stated}' in the package and '{promised}' in the manifest"
        for name, (stated, promised) in facts.items()
        if stated != promised
    ]
    if provenance.git_commit not in _UNSTATED and not _COMMIT.fullmatch(provenance.git_commit):
        details.append(f"git_commit '{provenance.git_commit}' is not a commit: the code had uncommitted changes")
    if provenance.data.sha256 not in _UNSTATED and not _SHA256.fullmatch(provenance.data.sha256):
        details.append("data.sha256 is not a sha256")
    if not provenance.components:
        details.append("components are unknown")
    if not _SHA256.fullmatch(provenance.environment.lock_sha256):
        details.append("environment.lock_sha256 is unknown")
    if not _is_time(provenance.created):
        details.append("created is not a time")
    details += warnings
    return Measure(float(len(details)), details=tuple(details))


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def recorded_difference(
    folder: Path, task: Task, target: npt.NDArray[np.float64], found: Mapping[str, float]
) -> Measure:
    """Return the largest difference between a metric in evaluation.json and the same metric recomputed.

    It is relative to each recorded value that is larger than 1. A metric that neither defines is none.

    Raises PackageError, or MeasurementError when evaluation.json covers other rows or lacks a metric.
    """
    recorded = read_evaluation(folder)
    if recorded.rows != len(target):
        raise MeasurementError(
            f"evaluation.json covers {recorded.rows:,} rows, and there are {len(target):,} held-out rows: "
            "give the test set of the data that the model was evaluated on"
        )
    # A model may be older than a metric of extensions/.
    newer = {each.name for each in task.metrics if each.function is not None and each.name not in recorded.metrics}
    named = [name for name in task.monitored() if name not in newer]
    claims = {name: recorded.estimate(name).value for name in named} | recorded.facts
    values = dict(found) | task.facts(target)
    missing = [name for name, claim in claims.items() if claim is None and math.isfinite(values[name])]
    missing += [name for name in task.facts(target) if name not in recorded.facts]
    if missing:
        raise MeasurementError(f"evaluation.json records no {', '.join(missing)}")
    pairs = {
        name.replace("_", " ") if name in recorded.facts else name: (claim, values[name])
        for name, claim in claims.items()
        if claim is not None and name in values
    }
    distances = {name: abs(claim - value) / max(1.0, abs(claim)) for name, (claim, value) in pairs.items()}
    worst = max(distances, key=lambda name: distances[name])
    claim, value = pairs[worst]
    return Measure(distances[worst], details=(f"{worst}: recorded {claim:.6g}, found {value:.6g}",))


def replay_golden(folder: Path, scorer: Scorer) -> tuple[Measure, Measure]:
    """Score the package's golden cases: (largest difference of an answer, decisions that changed).

    Raises PackageError when golden.json cannot be read, MeasurementError when a case does not fit the schema.
    """
    rules, task = RowRules(scorer.schema), scorer.task
    largest, changed = 0.0, []
    for index, case in enumerate(read_golden(folder).cases):
        found = scorer.score(_rows(case, index, rules))
        if len(found) != case.rows:
            raise MeasurementError(f"{GOLDEN_FILE}: case {index} has {len(found)} rows and another number of answers")
        largest = max(largest, float(task.distances(_recorded(case, index, task), found).max()))
        pairs = zip(task.decisions_of(case.replies()), task.decisions(found), strict=True)
        changed += [
            f"case {index}, row {row}: {before} became {after}"
            for row, (before, after) in enumerate(pairs)
            if before != after
        ]
    return Measure(largest), Measure(float(len(changed)), details=tuple(changed))


def _recorded(case: GoldenCase, index: int, task: Task) -> npt.NDArray[np.float64]:
    try:
        return task.recorded_answer(case.answers)
    except (KeyError, TypeError, ValueError) as error:
        raise MeasurementError(f"{GOLDEN_FILE}: case {index} holds no answers of a {task.name}") from error


def _rows(case: GoldenCase, index: int, rules: RowRules) -> Tensors:
    try:
        return request_tensors(case.request, rules)
    except UnreadableRows as error:
        raise MeasurementError(f"{GOLDEN_FILE}: case {index} does not fit the schema: {error}") from error


def schema_breaks(champion: Schema, challenger: Schema) -> tuple[str, ...]:
    """Return one sentence per change that breaks callers of the champion."""
    old = {feature.name: feature for feature in champion.features}
    new = {feature.name: feature for feature in challenger.features}
    breaks = []
    if champion.task != challenger.task:
        breaks.append(f"is a {challenger.task}, not a {champion.task}: replies have other keys")
    if champion.classes != challenger.classes:
        breaks.append(f"answers the classes {list(challenger.classes)}, not {list(champion.classes)}")
    if champion.target != challenger.target:
        breaks.append(f"predicts '{challenger.target}', not '{champion.target}'")
    elif champion.positive != challenger.positive:
        values = [repr(1 if each.positive is None else written(each.positive)) for each in (challenger, champion)]
        breaks.append(f"gives the probability of {values[0]}, not of {values[1]}")
    breaks += [f"'{name}' is no longer a feature" for name in old if name not in new]
    breaks += [f"'{name}' is a new feature, which callers do not send" for name in new if name not in old]
    for name in old:
        if name in new:
            breaks += _feature_breaks(old[name], new[name])
    return tuple(breaks)


def _feature_breaks(old: Feature, new: Feature) -> list[str]:
    breaks = []
    if old.type == NUMBER and new.type == INTEGER:
        breaks.append(f"'{new.name}' takes integers only")
    elif old.type != new.type and (old.type, new.type) != (INTEGER, NUMBER):
        return [f"'{new.name}' is of type {new.type}; before: {old.type}"]
    if old.nullable and not new.nullable:
        breaks.append(f"'{new.name}' must have a value; before: null was allowed")
    if new.minimum is not None and (old.minimum is None or old.minimum < new.minimum):
        breaks.append(f"'{new.name}' takes nothing below {new.minimum:g}; before: {_limit(old.minimum)}")
    if new.maximum is not None and (old.maximum is None or old.maximum > new.maximum):
        breaks.append(f"'{new.name}' takes nothing above {new.maximum:g}; before: {_limit(old.maximum)}")
    if new.categories is not None and not new.is_open:
        known = set(map(written, new.categories))
        lost = [each for each in map(written, old.categories or ()) if each not in known]
        if old.categories is None or old.is_open:
            breaks.append(f"'{new.name}' takes only certain categories")
        elif lost:
            breaks.append(f"'{new.name}' no longer takes {listed(lost)}")
    return breaks


def _limit(value: float | None) -> str:
    return "no limit" if value is None else f"{value:g}"


def megabytes(package: Path) -> float:
    """Return the size of all files of a package."""
    return sum(file.stat().st_size for file in package.rglob("*") if file.is_file()) / _MEGABYTE
