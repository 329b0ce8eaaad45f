"""All evidence of one proposed release, recomputed from the artefacts themselves. Judging is verdict.py's.

What cannot be measured is recorded with its reason and stops nothing else: a report shows everything at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from mlops.gates.drift import Drift, measure_drift
from mlops.gates.package_checks import digest_differences, megabytes, provenance_gaps, replay_golden, schema_breaks
from mlops.gates.performance import Performance, measure_performance, performance_measures
from mlops.gates.proposal import Candidate, Proposal
from mlops.models.package_documents import (
    BASELINE_FILE,
    PROVENANCE_FILE,
    SCHEMA_FILE,
    Baseline,
    Provenance,
    Schema,
    read_document,
)
from mlops.models.scoring import Scorer, open_scorer
from mlops.settings.gates import GatesFile
from mlops.settings.measures import Measured, NothingToMeasure, Unmeasurable, not_measured

Measures = dict[str, Measured]

_GOLDEN: Final = ("golden_difference", "golden_decision_changes")
_DRIFT: Final = ("largest_feature_drift", "score_drift")


@dataclass(frozen=True)
class Evidence:
    """Everything measured about a proposal, by measure.

    `performance`, `drift` and `provenance` hold what only a report needs; None where it could not be had.
    """

    proposal: Proposal
    measures: Measures
    confidence: float
    performance: Performance | None
    drift: Drift | None
    provenance: Provenance | None

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

    def attempt(self, names: tuple[str, ...], measure: Callable[[], Measures]) -> None:
        """Take measures; when that cannot be, note why under each of their names."""
        try:
            self.measures |= measure()
        except Unmeasurable as error:
            self.measures |= dict.fromkeys(names, not_measured(error))


def collect_evidence(proposal: Proposal, gates: GatesFile) -> Evidence:
    """Measure everything that rules can ask for. A bad package raises nothing: its measures say why."""
    found = _Collection(proposal, gates, {"package_megabytes": _sizes(proposal)})
    found.attempt(("digest_differences",), partial(_digests, proposal))
    found.attempt(("provenance_gaps",), partial(_provenance, found))
    found.attempt(("schema_breaks",), partial(_schema, proposal))
    challenger, problem = _open(proposal.challenger)
    champion, champion_problem = _open(proposal.champion)
    performance = performance_measures(gates)
    if challenger is None:
        absent = not_measured(Unmeasurable(problem))
        found.measures |= dict.fromkeys((*_GOLDEN, *performance, *_DRIFT), absent)
    else:
        found.attempt(_GOLDEN, lambda: dict(zip(_GOLDEN, replay_golden(challenger), strict=True)))
        found.attempt(performance, partial(_performance, found, challenger, champion, champion_problem))
        found.attempt(_DRIFT, partial(_recent, found, challenger))
    return Evidence(
        proposal=proposal,
        measures=found.measures,
        confidence=gates.bootstrap.confidence,
        performance=found.performance,
        drift=found.drift,
        provenance=found.provenance,
    )


def _open(candidate: Candidate | None) -> tuple[Scorer | None, str]:
    if candidate is None:
        return None, ""
    try:
        return open_scorer(candidate.folder), ""
    except Unmeasurable as error:
        return None, str(error)


def _digests(proposal: Proposal) -> Measures:
    roles = {"challenger": proposal.challenger, "champion": proposal.champion}
    packages = {role: (each.folder, each.release) for role, each in roles.items() if each}
    return {"digest_differences": digest_differences(packages)}


def _provenance(found: _Collection) -> Measures:
    challenger = found.proposal.challenger
    found.provenance = read_document(challenger.folder, PROVENANCE_FILE, Provenance)
    return {"provenance_gaps": provenance_gaps(found.provenance, challenger.release, challenger.provenance_warnings)}


def _schema(proposal: Proposal) -> Measures:
    if proposal.champion is None:
        raise NothingToMeasure("the stage runs no model yet")
    old, new = (read_document(each.folder, SCHEMA_FILE, Schema) for each in (proposal.champion, proposal.challenger))
    breaks = schema_breaks(old, new)
    return {"schema_breaks": Measured(value=float(len(breaks)), details=breaks)}


def _sizes(proposal: Proposal) -> Measured:
    own = megabytes(proposal.challenger.folder)
    other = megabytes(proposal.champion.folder) if proposal.champion else None
    return Measured(value=own, champion=other, difference=None if other is None else own - other)


def _performance(found: _Collection, challenger: Scorer, champion: Scorer | None, champion_problem: str) -> Measures:
    found.performance = measure_performance(
        found.proposal.held_out, found.gates, challenger, champion, champion_problem
    )
    return found.performance.measures


def _recent(found: _Collection, challenger: Scorer) -> Measures:
    recent, fewest = found.proposal.recent, found.gates.recent_rows
    if found.proposal.recent_problem:
        raise Unmeasurable(found.proposal.recent_problem)
    if recent is None:
        raise NothingToMeasure("there are no recent inputs")
    if recent.count < fewest:
        raise NothingToMeasure(f"there are {recent.count} recent inputs; fewer than {fewest} say nothing")
    baseline = read_document(challenger.folder, BASELINE_FILE, Baseline)
    features = recent.features(challenger.schema)
    drift = measure_drift(baseline, challenger.schema, features, challenger.score(features))
    found.drift = drift
    worst = max(drift.features, key=lambda name: drift.features[name])
    return {
        "largest_feature_drift": Measured(value=drift.features[worst], details=(f"most: {worst}",)),
        "score_drift": Measured(value=drift.score),
    }
