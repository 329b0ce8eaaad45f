"""The parts of a report below its verdict, as tables of text for any medium, which escapes them itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlops.gates.groups import Band, Treatment
from mlops.gates.proposal import Candidate
from mlops.gates.report import GateReport, shown

_DRIFT_ROWS: Final = 10
_STABLE, _MOVED = 0.1, 0.25


@dataclass(frozen=True)
class Section:
    """A titled part: lines of text, then maybe a table. `importance` falls from 0: what is left out last."""

    title: str
    importance: int
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def sections(report: GateReport) -> list[Section]:
    """What follows the verdict and the table of gates, in the order in which people read it."""
    parts = (_retraining_reason, _groups, _drift, _speed, _lineage, _rollback)
    found = [part(report) for part in parts]
    return [section for section in found if section is not None]


def _retraining_reason(report: GateReport) -> Section | None:
    lines = report.proposal.retraining_reason
    return Section("Why it was trained", 0, lines) if lines else None


def _groups(report: GateReport) -> Section | None:
    performance = report.evidence.performance
    if performance is None or not performance.bands:
        return None
    small = any(not band.counted for band in performance.bands)
    note = ("Bands in brackets are too small to count in the differences.",) if small else ()
    columns = ("band", "rows", "positive", "selected", "champion selected", "found", "champion found")
    rows = tuple(_band_row(band) for band in performance.bands)
    lines = ("Selected: share of rows decided as 1. Found: the same among the positives.", *note)
    return Section("Groups", 4, lines, columns, rows)


def _band_row(band: Band) -> tuple[str, ...]:
    label = f"{band.group}: {band.label}"
    before = band.champion or Treatment(None, None)
    return (
        label if band.counted else f"({label})",
        f"{band.rows:,}",
        f"{band.positives:,}",
        _percent(band.challenger.selection_rate),
        _percent(before.selection_rate),
        _percent(band.challenger.true_positive_rate),
        _percent(before.true_positive_rate),
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _drift(report: GateReport) -> Section:
    drift, notes = report.evidence.drift, report.proposal.recent_notes
    told = (f"Of the recent inputs: {'; '.join(notes)}.",) if notes else ()
    if drift is None:
        reason = report.evidence.measures["score_drift"].reason
        return Section("Drift", 3, (f"Not measured: {reason}.", *told))
    ordered = sorted(drift.features.items(), key=lambda item: -item[1])
    rows = (("score", drift.score), *ordered[:_DRIFT_ROWS])
    left_out = len(ordered) - _DRIFT_ROWS
    note = f" The {left_out} features that moved least are not shown." if left_out > 0 else ""
    line = f"{drift.rows:,} recent inputs against the training data, population stability index.{note}"
    table = tuple((name, shown(value), _moved(value)) for name, value in rows)
    return Section("Drift", 3, (line, *told), ("feature", "index", "reading"), table)


def _moved(index: float) -> str:
    if index < _STABLE:
        return "stable"
    return "moved" if index < _MOVED else "another population"


def _speed(report: GateReport) -> Section:
    names = {
        "latency_p50_milliseconds": "one row, p50, ms",
        "latency_p99_milliseconds": "one row, p99, ms",
        "package_megabytes": "package, MB",
    }
    measures = report.evidence.measures
    rows = tuple((label, shown(measures[name].value), shown(measures[name].champion)) for name, label in names.items())
    line = "In process on the machine that ran the gate: compare the two, not with an endpoint."
    return Section("Speed and size", 5, (line,), ("what", "challenger", "champion"), rows)


def _lineage(report: GateReport) -> Section:
    challenger, champion = report.proposal.challenger, report.proposal.champion
    facts = _facts(challenger)
    before = _facts(champion) if champion else {}
    provenance = report.evidence.provenance
    if provenance is not None:
        facts["created"] = provenance.created
        versions = (f"{name} {version}" for name, version in provenance.components.items())
        facts["components"] = ", ".join(versions)
    rows = tuple((name, value, before.get(name, "-")) for name, value in facts.items())
    line = f"Held-out rows: {report.proposal.held_out.count:,}. What a manifest says; the gates compare it."
    return Section("Lineage", 2, (line,), ("what", "challenger", "champion"), rows)


def _facts(candidate: Candidate) -> dict[str, str]:
    model, source = candidate.release.model, candidate.release.source
    return {
        "model": f"{model.name} {model.version}",
        "digest": model.digest,
        "from stage": source.stage,
        "job": source.job,
        "git commit": source.git_commit,
        "data": f"{source.data.name} {source.data.version}",
        "data sha256": source.data.sha256,
    }


def _rollback(report: GateReport) -> Section:
    stage, champion = report.proposal.stage, report.proposal.champion
    before = "Before the merge: close the pull request; nothing has changed."
    if champion is None:
        after = f"After it: there is no earlier release of {stage} to go back to; release a better model."
        return Section("How to roll back", 1, (before, after))
    model = champion.release.model
    return Section(
        "How to roll back",
        1,
        (
            before,
            f"At once: mlops rollback --stage {stage} returns traffic to version {model.version}.",
            f"For good: git revert the merge; that deploys version {model.version} again ({model.digest}).",
        ),
    )
