"""A gate report for people: in Markdown for pull requests and job summaries, within a limit of characters, and in HTML.

Below the verdict both have the same sections, tables of text that each medium escapes itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlops.core.markdown import clean, escape, table
from mlops.gates.evidence import Candidate
from mlops.gates.performance import SubgroupResult
from mlops.gates.plots import draw_plots
from mlops.gates.report import GateReport, Row, shown
from model_package.reports.pages import page_environment
from model_package.tasks import SliceMetric

DEFAULT_LIMIT: Final = 65_536
SMALLEST_LIMIT: Final = 1_500

_BLOCKING_SHOWN: Final = 10
_COLUMNS: Final = ("", "gate", "champion", "challenger", "difference", "interval", "threshold")
_TEMPLATE: Final = "report.html.j2"
_DRIFT_ROWS: Final = 10
# Readings of the population stability index that are customary in credit scoring.
_STABLE, _MODERATE = 0.1, 0.25
_MARKS: Final = {"pass": "✅", "not measured": "⬜", "fail": "❌", "inconclusive": "❔", "error": "⚠️"}


def markdown_report(report: GateReport, limit: int = DEFAULT_LIMIT, pictures: Mapping[str, str] | None = None) -> str:
    """Return the report in at most `limit` characters; what did not fit is named at its end.

    `pictures` maps titles to addresses of plots that lie beside the pull request, where Markdown shows no
    embedded ones. Raises ValueError for a limit in which not even the verdict fits.
    """
    if limit < SMALLEST_LIMIT:
        raise ValueError(f"a report needs {SMALLEST_LIMIT} characters, not {limit}")
    head = _head(report)
    body = sections(report)
    parts = {section.title: _section(section) for section in body}
    if pictures:
        parts = {"Plots": _pictures(pictures), **parts}
    # Left out first: the plots, then the least important sections.
    order = ["Plots"] if pictures else []
    order += [section.title for section in sorted(body, key=lambda each: -each.importance)]
    rows, left_out, hidden = list(report.rows), [], 0
    while True:
        text = _joined(head, rows, hidden, parts, left_out, limit)
        if len(text) <= limit:
            return text
        if order:
            left_out.append(order.pop(0))
            del parts[left_out[-1]]
        elif rows:
            # Gates that do not block go before those that do.
            others = [index for index, row in enumerate(rows) if not row.blocks]
            del rows[others[-1] if others else -1]
            hidden += 1
        else:
            head = head[: len(head) - 1]


def html_report(report: GateReport) -> str:
    """Return the report as an HTML document."""
    environment = page_environment(Path(__file__).parent)
    environment.filters["clean"] = clean
    return environment.get_template(_TEMPLATE).render(
        report=report, plots=draw_plots(report), sections=sections(report)
    )


@dataclass(frozen=True)
class Section:
    """A titled part: lines of text, then maybe a table. The smallest `importance` is left out last."""

    title: str
    importance: int
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def sections(report: GateReport) -> list[Section]:
    """Return what follows the verdict and the table of gates, in reading order."""
    parts = (_retraining_reason, _slices, _drift, _speed, _lineage, _rollback)
    found = [part(report) for part in parts]
    return [section for section in found if section is not None]


def _joined(
    head: Sequence[str],
    rows: Sequence[Row],
    hidden: int,
    parts: Mapping[str, str],
    left_out: Sequence[str],
    limit: int,
) -> str:
    blocks = ["\n".join(head)]
    if rows:
        blocks.append(table(_COLUMNS, [_gate(row) for row in rows]))
    blocks += parts.values()
    missing = [*left_out, *([f"{hidden} gates of the table"] if hidden else [])]
    if missing:
        names = ", ".join(missing)
        blocks.append(f"*Shortened to {limit:,} characters. Left out: {names}. The HTML report has everything.*")
    return "\n\n".join(blocks) + "\n"


def _head(report: GateReport) -> list[str]:
    mark = _MARKS["pass" if report.promotes else "fail"]
    lines = [f"## {mark} {escape(report.headline)}", "", escape(report.comparison)]
    if report.extensions:
        lines += ["", escape(report.extensions)]
    if report.rules:
        lines += ["", f"{_MARKS['error']} {escape(report.rules)}", ""]
        lines += [f"- {escape(each)}" for each in report.proposal.rule_changes]
    lines += _bullets(report.blocking)
    lines += _said("What changes", report.changes)
    lines += _said("Nearest to their bounds", report.nearest)
    if report.unmeasured:
        lines += ["", f"**{len(report.unmeasured)} not measured**, neither passed nor failed:"]
        lines += _bullets(report.unmeasured)
    return lines


def _bullets(rows: Sequence[Row]) -> list[str]:
    """A bullet per gate with its finding, after an empty line; none for no gates."""
    lines = [
        f"- {_MARKS[row.outcome]} **{escape(row.title)}** ({row.outcome}): {escape(row.sentence)}"
        for row in rows[:_BLOCKING_SHOWN]
    ]
    if len(rows) > _BLOCKING_SHOWN:
        lines.append(f"- and {len(rows) - _BLOCKING_SHOWN} more")
    return ["", *lines] if lines else []


def _said(title: str, sentences: Sequence[str]) -> list[str]:
    return ["", f"**{title}**", "", *(f"- {escape(each)}" for each in sentences)] if sentences else []


def _gate(row: Row) -> tuple[str, ...]:
    cells = (row.title, row.champion, row.challenger, row.difference, row.interval, row.threshold)
    return (_MARKS[row.outcome], *(escape(cell) for cell in cells))


def _section(section: Section) -> str:
    blocks = [f"### {section.title}", *(escape(line) for line in section.lines)]
    if section.rows:
        blocks.append(table(section.columns, [tuple(escape(cell) for cell in row) for row in section.rows]))
    return "\n\n".join(blocks)


def _pictures(pictures: Mapping[str, str]) -> str:
    images = [f"![{escape(title)}](<{_address(address)}>)" for title, address in pictures.items()]
    return "\n\n".join(["### Plots", *images])


def _address(address: str) -> str:
    return re.sub(r"[\s<>]", "", address)


def _retraining_reason(report: GateReport) -> Section | None:
    lines = report.proposal.retraining_reason
    return Section("Why it was trained", 0, lines) if lines else None


def _slices(report: GateReport) -> Section | None:
    performance = report.evidence.performance
    if performance is None or not performance.subgroups:
        return None
    small = any(not each.counted for each in performance.subgroups)
    note = ("Subgroups in brackets are too small to count in the differences.",) if small else ()
    task = performance.challenger.task
    metrics, counted = task.slice_metrics, task.rarest
    rates = tuple(name for each in metrics for name in (each.rate_title, "champion"))
    columns = ("subgroup", "rows", *((counted,) if counted else ()), *rates)
    rows = tuple(_subgroup_row(each, metrics, counted) for each in performance.subgroups)
    lines = (" ".join(each.explained for each in metrics), *note)
    return Section("Slices", 4, lines, columns, rows)


def _subgroup_row(found: SubgroupResult, metrics: Sequence[SliceMetric], counted: str) -> tuple[str, ...]:
    label = f"{found.slice}: {found.label}"
    before = found.champion or {}
    rates = (_rate(metric, rates.get(metric.rate)) for metric in metrics for rates in (found.challenger, before))
    positives = (f"{found.positives:,}",) if counted else ()
    return (label if found.counted else f"({label})", f"{found.rows:,}", *positives, *rates)


def _rate(metric: SliceMetric, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if metric.share else shown(value)


def _drift(report: GateReport) -> Section:
    drift, notes = report.evidence.drift, report.proposal.recent_notes
    quality = (f"Recent inputs: {'; '.join(notes)}.",) if notes else ()
    if drift is None:
        reason = report.evidence.measures["score_drift"].reason
        return Section("Drift", 3, (f"Not measured: {reason}.", *quality))
    ordered = sorted(drift.features.items(), key=lambda item: -item[1])
    rows = (("score", drift.score), *ordered[:_DRIFT_ROWS])
    left_out = len(ordered) - _DRIFT_ROWS
    note = f" The {left_out} features with the least drift are not shown." if left_out > 0 else ""
    line = f"Population stability index of {drift.rows:,} recent inputs against the training data.{note}"
    table = tuple((name, shown(value), _drift_level(value)) for name, value in rows)
    return Section("Drift", 3, (line, *quality), ("feature", "PSI", "drift"), table)


def _drift_level(index: float) -> str:
    if index < _STABLE:
        return "none"
    return "moderate" if index < _MODERATE else "large"


def _speed(report: GateReport) -> Section:
    names = {
        "latency_p50_milliseconds": "one row, p50, ms",
        "latency_p99_milliseconds": "one row, p99, ms",
        "package_megabytes": "package, MB",
    }
    measures = report.evidence.measures
    rows = tuple((label, shown(measures[name].value), shown(measures[name].reference)) for name, label in names.items())
    line = "Measured in the process that ran the gates: compare the models with each other, not with an endpoint."
    return Section("Speed and size", 5, (line,), ("measure", "challenger", "champion"), rows)


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
    line = f"Held-out rows: {report.proposal.held_out.height:,}. As the manifests state it; the gates verify it."
    return Section("Lineage", 2, (line,), ("source", "challenger", "champion"), rows)


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
        after = f"After the merge: {stage} has no earlier release to go back to; release a better model."
        return Section("How to roll back", 1, (before, after))
    model = champion.release.model
    return Section(
        "How to roll back",
        1,
        (
            before,
            f"Immediately: mlops rollback --stage {stage} returns traffic to version {model.version}.",
            f"Permanently: git revert the merge, which deploys version {model.version} again ({model.digest}).",
        ),
    )
