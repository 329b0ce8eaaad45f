"""Whether a package is what it says it is: its bytes, its origin, its own examples, its recorded results.

Claims are compared with what the artefacts show; a claim is never taken for evidence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mlops.models.package import package_digest
from mlops.models.package_documents import (
    EVALUATION_FILE,
    GOLDEN_FILE,
    Evaluation,
    Feature,
    Golden,
    GoldenCase,
    Provenance,
    Schema,
    read_document,
)
from mlops.models.scoring import Scorer
from mlops.settings.measures import Measured, Unmeasurable
from mlops.settings.releases import Release

RECORDED_METRICS: Final = ("roc_auc", "average_precision", "brier", "ks", "f1")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NO_FACT: Final = ("", "unknown")


def digest_differences(candidates: Mapping[str, tuple[Path, Release]]) -> Measured:
    """Compare each package's bytes with its manifest's digest: role → (folder, release)."""
    details = []
    for role, (folder, release) in candidates.items():
        found = package_digest(folder)
        if found != release.model.digest:
            details.append(f"the {role}'s package has {found}, its manifest promises {release.model.digest}")
    return Measured(value=float(len(details)), details=tuple(details))


def provenance_gaps(known: Provenance, release: Release, warnings: Sequence[str] = ()) -> Measured:
    """Count what provenance.json leaves open, where it contradicts the manifest, and what else speaks against it."""
    facts = {
        "git_commit": (known.git_commit, release.source.git_commit),
        "job": (known.job, release.source.job),
        "data.name": (known.data.name, release.source.data.name),
        "data.version": (known.data.version, release.source.data.version),
        "data.sha256": (known.data.sha256, release.source.data.sha256),
    }
    details = [f"{name} is not known" for name, (stated, _) in facts.items() if stated in _NO_FACT]
    details += [
        f"{name} is '{stated}' in the package and '{promised}' in the manifest"
        for name, (stated, promised) in facts.items()
        if stated != promised
    ]
    if known.git_commit not in _NO_FACT and not _COMMIT.fullmatch(known.git_commit):
        details.append(f"git_commit '{known.git_commit}' is no commit: the code had uncommitted changes")
    if known.data.sha256 not in _NO_FACT and not _SHA256.fullmatch(known.data.sha256):
        details.append("data.sha256 is no sha256")
    if not known.components:
        details.append("components are not known")
    if not _SHA256.fullmatch(known.environment.lock_sha256):
        details.append("environment.lock_sha256 is not known")
    if not _is_time(known.created):
        details.append("created is no time")
    details += warnings
    return Measured(value=float(len(details)), details=tuple(details))


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def recorded_difference(
    folder: Path, threshold: float, target: npt.NDArray[np.float64], found: Mapping[str, float]
) -> Measured:
    """The largest distance of evaluation.json's metrics from those found on the same rows.

    Raises Unmeasurable when it records other rows, or not every metric.
    """
    recorded = read_document(folder, EVALUATION_FILE, Evaluation)
    if recorded.rows != len(target):
        raise Unmeasurable(
            f"evaluation.json is about {recorded.rows:,} rows, the held-out rows are {len(target):,}: "
            "give the test part of the data that the model was evaluated on"
        )
    claims = {name: entry.value for name, entry in recorded.metrics.items()}
    missing = [name for name in RECORDED_METRICS if claims.get(name) is None]
    if missing:
        raise Unmeasurable(f"evaluation.json records no {', '.join(missing)}")
    pairs = {name: (claims[name] or 0.0, found[name]) for name in RECORDED_METRICS}
    pairs["positive rate"] = (recorded.positive_rate, float(target.mean()))
    pairs["threshold"] = (recorded.threshold, threshold)
    distances = {name: abs(claim - value) for name, (claim, value) in pairs.items()}
    worst = max(distances, key=lambda name: distances[name])
    claim, value = pairs[worst]
    return Measured(value=distances[worst], details=(f"{worst}: recorded {claim:.6g}, found {value:.6g}",))


def replay_golden(scorer: Scorer) -> tuple[Measured, Measured]:
    """Score the package's own examples: (largest difference of a probability, decisions that changed).

    Raises Unmeasurable when golden.json is missing, or holds what its schema cannot read.
    """
    golden = read_document(scorer.folder, GOLDEN_FILE, Golden)
    largest, changed = 0.0, []
    for index, case in enumerate(golden.cases):
        found = scorer.score(_features(case, index, scorer.schema))
        if len(found) != len(case.probability) or len(found) != len(case.decision):
            raise Unmeasurable(f"{GOLDEN_FILE}: case {index} has {len(found)} rows and not as many answers")
        largest = max(largest, float(np.abs(found - case.probability).max()))
        decided = (found >= scorer.threshold).astype(int)
        changed += [
            f"case {index}, row {row}: {case.decision[row]} became {decided[row]}"
            for row in np.flatnonzero(decided != case.decision)
        ]
    return Measured(value=largest), Measured(value=float(len(changed)), details=tuple(changed))


def _features(case: GoldenCase, index: int, schema: Schema) -> npt.NDArray[np.float32]:
    rows = _row_objects(case.request.get("input_data"))
    try:
        values = [[float(row[name]) for name in schema.names] for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise Unmeasurable(f"{GOLDEN_FILE}: case {index} has a row that does not fit the schema: {error}") from error
    return np.array(values, dtype=np.float32).reshape(len(rows), len(schema.names))


def _row_objects(data: Any) -> list[Any]:
    """Rows in any form of a request: a list of objects, one object, or columns and data apart."""
    if isinstance(data, dict) and isinstance(data.get("columns"), list) and isinstance(data.get("data"), list):
        return [dict(zip(data["columns"], row, strict=False)) for row in data["data"] if isinstance(row, list)]
    return data if isinstance(data, list) else [data]


def schema_breaks(champion: Schema, challenger: Schema) -> tuple[str, ...]:
    """One sentence for each change that breaks callers of the champion."""
    old = {feature.name: feature for feature in champion.features}
    new = {feature.name: feature for feature in challenger.features}
    breaks = []
    if champion.target != challenger.target:
        breaks.append(f"predicts '{challenger.target}', not '{champion.target}'")
    breaks += [f"'{name}' is no longer a feature" for name in old if name not in new]
    breaks += [f"'{name}' is a new feature, which callers do not send" for name in new if name not in old]
    for name in old:
        if name in new:
            breaks += _feature_breaks(old[name], new[name])
    return tuple(breaks)


def _feature_breaks(old: Feature, new: Feature) -> list[str]:
    breaks = []
    if old.type == "number" and new.type == "integer":
        breaks.append(f"'{new.name}' takes integers only")
    if new.minimum is not None and (old.minimum is None or old.minimum < new.minimum):
        breaks.append(f"'{new.name}' takes nothing below {new.minimum:g}; before: {_limit(old.minimum)}")
    if new.maximum is not None and (old.maximum is None or old.maximum > new.maximum):
        breaks.append(f"'{new.name}' takes nothing above {new.maximum:g}; before: {_limit(old.maximum)}")
    if new.categories is not None:
        lost = None if old.categories is None else sorted(set(old.categories) - set(new.categories))
        if lost is None:
            breaks.append(f"'{new.name}' takes only certain categories")
        elif lost:
            breaks.append(f"'{new.name}' no longer takes {', '.join(str(code) for code in lost)}")
    return breaks


def _limit(value: float | None) -> str:
    return "no limit" if value is None else f"{value:g}"


_WARM_UP_CALLS: Final = 50
_SAMPLE_ROWS: Final = 256
_MEGABYTE: Final = 1_000_000


def latencies(scorers: list[tuple[Scorer, npt.NDArray[np.float32]]], calls: int) -> list[npt.NDArray[np.float64]]:
    """Milliseconds of single rows, an array [calls] for each model with its rows [rows, features].

    The models take turns, so that a busy machine slows them alike. Raises Unmeasurable without rows.
    """
    if any(not len(features) for _, features in scorers):
        raise Unmeasurable("there are no rows to time")
    turns = [
        (scorer, cycle([features[at : at + 1] for at in range(min(len(features), _SAMPLE_ROWS))]))
        for scorer, features in scorers
    ]
    times = np.empty((len(scorers), _WARM_UP_CALLS + calls))
    for call in range(times.shape[1]):
        for model, (scorer, rows) in enumerate(turns):
            times[model, call] = scorer.milliseconds(next(rows))
    return list(times[:, _WARM_UP_CALLS:])


def megabytes(package: Path) -> float:
    """The size of all files of a package."""
    return sum(file.stat().st_size for file in package.rglob("*") if file.is_file()) / _MEGABYTE
