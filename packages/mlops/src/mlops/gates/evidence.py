"""A proposed release and all evidence about it, recomputed from the artefacts themselves. Judging is left to report.py.

What cannot be measured is recorded with its reason and does not stop the rest: a report shows everything at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from mlops.core.errors import InputError
from mlops.gates.package_checks import digest_differences, megabytes, provenance_gaps, replay_golden, schema_breaks
from mlops.gates.performance import (
    HELD_OUT,
    LATENCIES,
    Package,
    Performance,
    measure_performance,
    measured_names,
    model_input,
)
from mlops.settings.gates import EXTENSION_FAILURES, GOLDEN_DECISION_CHANGES, GatesFile
from mlops.settings.releases import Release
from mlops.settings.stages import StageName
from model_package.baseline import Baseline
from model_package.errors import ExtensionError, MeasurementError, ModelPackageError, NoData
from model_package.evaluation import ONNX
from model_package.measures import Measure, largest
from model_package.package import read_baseline, read_provenance, read_schema
from model_package.provenance import Provenance
from model_package.rows.encoding import decode
from model_package.runtime import Scorer
from model_package.statistics.psi import population_stability_index
from model_package.tasks.extensions import MEASURES_FILE, GateMeasure, call, extensions

Measures = dict[str, Measure]

_RECENT: Final = "recent inputs"
_GOLDEN_DIFFERENCE: Final = "golden_difference"
_DRIFT: Final = ("largest_feature_drift", "score_drift")


@dataclass(frozen=True)
class Candidate:
    """A model package on this machine, the release that promises it, and what is wrong with its provenance."""

    folder: Path
    release: Release
    provenance_warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """A challenger proposed for a stage, in place of the champion that the stage runs (None: nothing yet).

    `held_out` rows have features and target, and neither model was trained on them; `recent` are the stage's last
    inputs, with notes on what is wrong with some of them; `recent_problem` says why they could not be read, "" when
    they could. `retraining_reason` says why the challenger was trained, where it was drift. The rules are those at the
    commit `rules`; `rule_changes` are what the change does to them, a sentence for each.
    """

    stage: StageName
    challenger: Candidate
    champion: Candidate | None
    held_out: pl.DataFrame
    recent: pl.DataFrame | None = None
    recent_notes: tuple[str, ...] = ()
    recent_problem: str = ""
    answers_requests: bool = True
    retraining_reason: tuple[str, ...] = ()
    rules: str | None = None
    rule_changes: tuple[str, ...] = ()


def read_held_out(file: Path) -> pl.DataFrame:
    """Read the parquet file of held-out rows. Raises InputError when it is missing or not a parquet file."""
    if not file.is_file():
        raise InputError(f"there are no {HELD_OUT} at {file}", "Give the parquet file of a split's test part.")
    try:
        return pl.read_parquet(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{file} is not a readable parquet file: {error}", "Write it again.") from error


@dataclass(frozen=True)
class Drift:
    """The population stability index of each feature and of the score, over `rows` recent inputs."""

    rows: int
    features: dict[str, float]
    score: float


@dataclass(frozen=True)
class Evidence:
    """Everything measured about a proposal, by measure.

    `performance`, `drift` and `provenance` hold what only a report needs; None where it could not be measured.
    `runtime` is what runs the challenger's model, `extensions` the digest of the extensions/ that measured ("": none).
    """

    proposal: Proposal
    measures: Measures
    confidence: float
    performance: Performance | None
    drift: Drift | None
    provenance: Provenance | None
    runtime: str = ONNX
    extensions: str = ""

    @property
    def has_champion(self) -> bool:
        """Whether the stage runs a model already."""
        return self.proposal.champion is not None


@dataclass
class _Collection:
    """Evidence while it is gathered."""

    proposal: Proposal
    gates: GatesFile
    measures: Measures
    performance: Performance | None = None
    drift: Drift | None = None
    provenance: Provenance | None = None
    failures: list[str] = field(default_factory=list)

    def attempt(self, names: tuple[str, ...], measure: Callable[[], Measures]) -> None:
        """Take measures; where that fails, record the reason under each of their names."""
        try:
            self.measures |= measure()
        except ModelPackageError as error:
            self.measures |= dict.fromkeys(names, Measure.failed(error))
            if isinstance(error, ExtensionError):
                self.failures.append(str(error))


def collect_evidence(proposal: Proposal, gates: GatesFile) -> Evidence:
    """Measure everything that rules can name. A bad package raises nothing: its measures say why."""
    found = _Collection(proposal, gates, {"package_megabytes": _sizes(proposal)})
    found.attempt(("digest_differences",), partial(_digests, proposal))
    found.attempt(("provenance_gaps",), partial(_provenance, found))
    found.attempt(("schema_breaks",), partial(_schema, proposal))
    challenger, problem = _open(proposal.challenger)
    champion, champion_problem = _open(proposal.champion)
    if challenger is None:
        absent = Measure.failed(MeasurementError(problem))
        ruled = (entry.measure for entry in gates.rules)
        found.measures = dict.fromkeys((*ruled, *_DRIFT, *LATENCIES), absent) | found.measures
    else:
        golden = (_GOLDEN_DIFFERENCE, *((GOLDEN_DECISION_CHANGES,) if challenger.task.decides() else ()))
        found.attempt(golden, partial(_golden, challenger, golden))
        found.attempt(
            measured_names(gates, challenger.task), partial(_performance, found, challenger, champion, champion_problem)
        )
        found.attempt(_DRIFT, partial(_recent, found, challenger))
        for own in extensions().gates:
            found.attempt((own.name,), partial(_own, own, proposal.held_out, (challenger, champion), champion_problem))
    if extensions().digest:
        failures = tuple(dict.fromkeys(found.failures))
        found.measures[EXTENSION_FAILURES] = Measure(float(len(failures)), details=failures)
    return Evidence(
        proposal=proposal,
        measures=found.measures,
        confidence=gates.bootstrap.confidence,
        performance=found.performance,
        drift=found.drift,
        provenance=found.provenance,
        runtime=challenger.scorer.runtime if challenger else ONNX,
        extensions=extensions().digest,
    )


def measure_drift(baseline: Baseline, scorer: Scorer, rows: pl.DataFrame) -> Drift:
    """Compare recent rows and the challenger's scores of them with its training. Raises ModelPackageError."""
    asked = model_input(rows, scorer.schema, _RECENT)
    indexes: dict[str, float] = {}
    for name, column in zip(scorer.schema.names, decode(asked, scorer.schema).astype(np.float32).T, strict=True):
        training = baseline.features.get(name)
        if training is None:
            raise MeasurementError(f"baseline.json has no feature '{name}'")
        indexes[name] = population_stability_index(*training.compared(training.count(column)))
    predictions = baseline.predictions
    scores = scorer.task.represent(scorer.score(asked))
    score = population_stability_index(*predictions.compared(predictions.count(scores)))
    return Drift(len(asked), indexes, score)


def _open(candidate: Candidate | None) -> tuple[Package | None, str]:
    if candidate is None:
        return None, ""
    try:
        return Package.open(candidate.folder, candidate.release.model.digest), ""
    except ModelPackageError as error:
        return None, str(error)


def _digests(proposal: Proposal) -> Measures:
    roles = {"challenger": proposal.challenger, "champion": proposal.champion}
    packages = {role: (each.folder, each.release) for role, each in roles.items() if each}
    return {"digest_differences": digest_differences(packages)}


def _provenance(found: _Collection) -> Measures:
    challenger = found.proposal.challenger
    found.provenance = read_provenance(challenger.folder)
    return {"provenance_gaps": provenance_gaps(found.provenance, challenger.release, challenger.provenance_warnings)}


def _schema(proposal: Proposal) -> Measures:
    if proposal.champion is None:
        raise NoData("the stage runs no model yet")
    breaks = schema_breaks(read_schema(proposal.champion.folder), read_schema(proposal.challenger.folder))
    return {"schema_breaks": Measure(float(len(breaks)), details=breaks)}


def _sizes(proposal: Proposal) -> Measure:
    champion = proposal.champion
    return Measure(megabytes(proposal.challenger.folder), reference=megabytes(champion.folder) if champion else None)


def _golden(challenger: Package, names: tuple[str, ...]) -> Measures:
    return dict(zip(names, replay_golden(challenger.folder, challenger.scorer), strict=False))


def _performance(found: _Collection, challenger: Package, champion: Package | None, champion_problem: str) -> Measures:
    rows = found.proposal.held_out
    found.performance = measure_performance(rows, found.gates, challenger, champion, champion_problem)
    failures = found.performance.failures
    found.failures += map(str, failures.values())
    return found.performance.measures | {name: Measure.failed(error) for name, error in failures.items()}


def _own(
    own: GateMeasure, rows: pl.DataFrame, packages: tuple[Package, Package | None], champion_problem: str
) -> Measures:
    """Take a measure of extensions/ of both models. Raises ExtensionError where its code fails."""
    values = [call(MEASURES_FILE, own.name, own.function, each.folder, rows) for each in packages if each]
    reference = values[1] if len(values) > 1 else None
    return {own.name: Measure(values[0], reference=reference, reference_problem=champion_problem)}


def _recent(found: _Collection, challenger: Package) -> Measures:
    recent, min_rows = found.proposal.recent, found.gates.recent_rows
    if found.proposal.recent_problem:
        raise MeasurementError(found.proposal.recent_problem)
    if recent is None:
        raise NoData(f"there are no {_RECENT}")
    if recent.height < min_rows:
        raise NoData(f"there are {recent.height} {_RECENT}, and the rules ask for {min_rows}")
    found.drift = measure_drift(read_baseline(challenger.folder), challenger.scorer, recent)
    return {
        "largest_feature_drift": largest(found.drift.features, named=1),
        "score_drift": Measure(found.drift.score),
    }
