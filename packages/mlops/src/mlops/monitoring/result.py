"""What `mlops monitor` answers: the verdict in words and as JSON, every rule in a table, what drifted, and a page."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlops.core.layout import REPORT_FOLDER, private_folder
from mlops.core.markdown import clean, escape
from mlops.core.markdown import table as markdown_table
from mlops.core.results import Block, HistogramPair, Line, Result, Table, Tone, counted
from mlops.models.facts import Subject, facts_of
from mlops.monitoring.measuring import MonitoringRequest, Results
from mlops.monitoring.verdict import MonitorVerdict, State
from mlops.settings.monitoring import catalogue, section_of
from mlops.settings.project import Project
from mlops.settings.verdict import NOT_MEASURED, Outcome, number
from model_package.measures import Measure
from model_package.monitoring.findings import ColumnDrift
from model_package.reports.pages import Fact, keep_page, page_environment

EXIT_CODES: Final[dict[State, int]] = {"healthy": 0, "drift": 10, "quality": 11, "service": 12, "not measured": 13}
UNTRUSTED: Final = "untrusted"
_TONES: Final[dict[State, str]] = {"healthy": "good", "not measured": "unmeasured"}
_COLUMNS: Final = ("", "rule", "now", "release", "difference", "threshold")
_MAX_NAMES: Final = 3
_MAX_FEATURES: Final = 6
_MAX_HISTOGRAMS: Final = 3
_TEMPLATE: Final = "report.html.j2"
_TIME: Final = "%Y%m%d-%H%M"


@dataclass(frozen=True)
class Row:
    """One rule as people read it; "-" where there is no value."""

    section: str
    title: str
    now: str
    release: str
    interval: str
    threshold: str
    outcome: str
    sentence: str
    why: str


@dataclass(frozen=True)
class Monitored:
    """A window, what was measured in it, and the verdict."""

    request: MonitoringRequest
    model: str
    results: Results
    service: dict[str, Measure]
    verdict: MonitorVerdict

    @property
    def drifted(self) -> tuple[str, ...]:
        """The features that drifted, those that contribute most first."""
        return tuple(each.name for each in self.results.findings.columns if each.drifted)

    @property
    def tone(self) -> str:
        """How the verdict looks: good, unmeasured or bad."""
        return _TONES.get(self.verdict.state, "bad")

    @property
    def headline(self) -> str:
        """The verdict in one sentence; names in it are unescaped."""
        stage, model = self.request.stage_name, f"{self.model} {self.request.live.version}"
        rows = counted(self.results.findings.rows, "row")
        skipped = len(self.unmeasured)
        broken = f"{len(self.verdict.broken)} of {len(self.verdict.outcomes)} rules are broken"
        broken += f", {skipped} not measured" if skipped else ""
        match self.verdict.state:
            case "healthy":
                held = len(self.verdict.outcomes) - skipped
                rest = f", {skipped} not measured" if skipped else ""
                return f"HEALTHY: {model} in {stage} breaks no rule on {rows}, {held} hold{rest}"
            case "not measured" if not self.results.findings.rows:
                return f"NOT MEASURED: nothing was collected of {model} in {stage} in this window"
            case "not measured":
                return f"NOT MEASURED: {rows} of {model} in {stage}: too few to judge"
            case "drift":
                return f"DRIFT: {model} in {stage} has drifted from its release, {broken} on {rows}"
            case "quality":
                return f"QUALITY: the data of {model} in {stage} cannot be trusted, {broken} on {rows}"
            case "service":
                return f"SERVICE: {model} in {stage} fails or answers slowly, {broken}"

    @property
    def advice(self) -> str:
        """What to do next."""
        match self.verdict.state:
            case "not measured" if not self.results.findings.rows:
                stage = self.request.stage_name
                return (
                    f"`mlops monitor --stage {stage} --to now` includes the current hour, `--window 7d` the last days. "
                    "If there should have been requests, look for callers or a collector that stopped."
                )
            case "not measured":
                return "Wait for more requests, or choose a longer `--window`; `min_rows` is in releases/monitor.yml."
            case "drift" if self.verdict.retrain:
                return "Retrain on newer data; look first at what drifted."
            case "drift":
                return "A newer model would not fix this; look at what drifted, and at the rates of the subgroups."
            case "quality":
                return "Fix what sends or collects the data; no model is retrained on data that cannot be trusted."
            case "service":
                return f"`mlops status --stage {self.request.stage_name}`, and the logs of the live deployment."
            case _:
                return ""

    @property
    def reason(self) -> str:
        """The headline, with the rules that are broken and the features that drifted."""
        broken = ", ".join(each.rule.measure for each in self.verdict.broken)
        if not broken:
            return self.headline
        names = ", ".join(self.drifted[:_MAX_NAMES]) if self.verdict.state == "drift" else ""
        return f"{self.headline}: {broken}{f'; drifted: {names}' if names else ''}"

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every rule, in the order of the file."""
        return tuple(self._row(outcome) for outcome in self.verdict.outcomes)

    @property
    def problems(self) -> tuple[Row, ...]:
        """The rules that are broken or inconclusive, of those whose data can be trusted."""
        return tuple(each for each in self.rows if each.outcome not in ("pass", UNTRUSTED, NOT_MEASURED))

    @property
    def measured(self) -> tuple[Row, ...]:
        """The rules that rest on a measurement."""
        return tuple(each for each in self.rows if each.outcome != NOT_MEASURED)

    @property
    def unmeasured(self) -> tuple[Row, ...]:
        """The rules that had nothing to measure."""
        return tuple(each for each in self.rows if each.outcome == NOT_MEASURED)

    def outcome_of(self, outcome: Outcome) -> str:
        """Return how a rule came out; "untrusted" where it rests on data that cannot be trusted."""
        return outcome.outcome if self.verdict.trusts(outcome) or outcome.observed is None else UNTRUSTED

    def document(self) -> dict[str, Any]:
        """Everything as one JSON object; null where a value is not defined. `measurements` is measures.json."""
        window, live = self.request.window, self.request.live
        return {
            "stage": self.request.stage_name,
            "state": self.verdict.state,
            "retrain": list(self.verdict.retrainable),
            "headline": self.headline,
            "advice": self.advice,
            "window": window.as_document(),
            "model": {"name": self.model, "version": live.version, "digest": live.digest},
            "job": self.results.job,
            "drifted": list(self.drifted),
            "rules": [self._judged(each) for each in self.verdict.outcomes],
            "measurements": self.results.findings.as_document() | {"window": window.as_document()},
        }

    def _judged(self, outcome: Outcome) -> dict[str, Any]:
        return {
            "measure": outcome.rule.measure,
            "section": section_of(outcome.rule.measure),
            "outcome": self.outcome_of(outcome),
            "observed": outcome.observed,
            "bound": outcome.bound,
            "sentence": outcome.sentence,
            "why": outcome.rule.why,
        }

    def _row(self, outcome: Outcome) -> Row:
        measures = self.results.findings.measures | self.service
        measure = measures.get(outcome.rule.measure, Measure())
        interval = measure.difference_interval
        return Row(
            section=section_of(outcome.rule.measure),
            title=catalogue().title(outcome.rule.measure),
            now=_shown(outcome.observed),
            release=_shown(measure.reference),
            interval=f"{number(interval.low)} to {number(interval.high)}" if interval else "-",
            threshold=outcome.bound,
            outcome=self.outcome_of(outcome),
            sentence=outcome.sentence,
            why=outcome.rule.why,
        )


@dataclass(frozen=True)
class MonitorResult(Result):
    """A verdict, the number of its record in the audit log, whether the record is new, and the page."""

    monitored: Monitored
    record: int
    is_new: bool
    html: Path

    @property
    def exit_code(self) -> int:
        """0 for healthy, 10 for drift, 11 for data that cannot be trusted, 12 for the service, 13 for not measured."""
        return EXIT_CODES[self.monitored.verdict.state]

    @property
    def outputs(self) -> dict[str, str]:
        """The verdict, for the CI step that retrains."""
        verdict = self.monitored.verdict
        return {
            "state": verdict.state,
            "retrain": str(verdict.retrain).lower(),
            "report": str(self.html),
            "because": self._because,
        }

    @property
    def summary(self) -> str:
        """The verdict and every rule, as Markdown."""
        rows = [
            (each.outcome, *(escape(cell) for cell in (each.title, each.now, each.release, each.threshold)))
            for each in self.monitored.measured
        ]
        problems = [escape(f"{each.title}: {each.sentence} ({each.why})") for each in self.monitored.problems]
        problems += [escape(f"Not measured: {each.title}: {each.sentence}") for each in self.monitored.unmeasured]
        lines = [f"## {escape(self.monitored.headline)}", *(f"- {line}" for line in problems)]
        return "\n".join(lines) + "\n\n" + markdown_table(("", "rule", "now", "release", "threshold"), rows) + "\n"

    def document(self) -> dict[str, Any]:
        """The whole verdict, and where it is recorded."""
        audit = {"record": self.record, "new": self.is_new}
        return self.monitored.document() | {"audit": audit, "report": str(self.html)}

    def blocks(self) -> Sequence[Block]:
        """Verdict, reasons, rules, what drifted, page."""
        monitored = self.monitored
        tones: dict[str, Tone] = {"good": "good", "unmeasured": "plain"}
        blocks: list[Block] = [Line(clean(monitored.headline), tones.get(monitored.tone, "bad"))]
        blocks.append(Line(f"{monitored.request.window}, job {monitored.results.job}"))
        blocks += [
            Line(f"  {each.outcome}: {clean(each.title)}: {clean(each.sentence)} ({each.why})")
            for each in monitored.problems
        ]
        blocks += [Line(f"  note: {clean(note)}") for note in monitored.results.findings.notes]
        rows = tuple(
            (each.outcome, clean(each.title), each.now, each.release, each.interval, each.threshold)
            for each in monitored.measured
        )
        blocks += [Table("", _COLUMNS, rows, ("difference", "release"))] if rows else []
        if monitored.unmeasured:
            blocks.append(Line(f"not measured: {'; '.join(clean(each.title) for each in monitored.unmeasured)}"))
        if monitored.results.findings.columns:
            blocks.append(_features(monitored))
            blocks += drift_histograms(monitored)
        known = "" if self.is_new else ", written before"
        blocks.append(Line(f"record {self.record} of the audit log{known}"))
        blocks.append(Line(f"report  {self.html}"))
        if monitored.advice:
            blocks.append(Line(f"Next: {monitored.advice}", "hint"))
        if monitored.verdict.retrain:
            blocks.append(Line(f"Then: `mlops retrain --because {self._because}`", "hint"))
        return blocks

    @property
    def _because(self) -> str:
        """How `mlops retrain` refers to the verdict."""
        return f"{self.monitored.request.stage_name}/{self.record}"


def write_report(project: Project, monitored: Monitored, html: Path | None, subject: Subject) -> Path:
    """Write the page to the given file, or below the state folder. It is complete and loads nothing.

    `subject` is the released model.
    """
    request, job = monitored.request, monitored.results
    folder = private_folder(project.path(REPORT_FOLDER))
    if html is None:
        html = folder / f"monitor-{request.stage_name}-{request.window.until.strftime(_TIME)}.html"
    more = (
        Fact("stage", f"{request.stage_name}, deployment {request.live.deployment}"),
        Fact("window", f"{request.window}"),
        Fact("measured by job", job.job, job.studio_url or ""),
    )
    facts = facts_of(project, subject, "measured", *more)
    facts.append(Fact("rollout", "report", f"rollout-{request.stage_name}-{subject.page}"))
    return keep_page(html, html_page(monitored), facts, listed=html.parent == folder)


def html_page(monitored: Monitored) -> str:
    """Return the verdict with its figures as an HTML document."""
    environment = page_environment(Path(__file__).parent)
    environment.filters["clean"] = clean
    # As images they cannot run anything, whatever a job has written into them.
    figures = {name: base64.b64encode(text.encode()).decode() for name, text in monitored.results.figures.items()}
    return environment.get_template(_TEMPLATE).render(monitored=monitored, figures=figures)


def drift_histograms(monitored: Monitored) -> list[Block]:
    """Return the drifted features that contribute most, in training and in the window."""
    drifted = [each for each in monitored.results.findings.columns if each.drifted]
    return [_histogram(each) for each in drifted[:_MAX_HISTOGRAMS]]


def _histogram(column: ColumnDrift) -> HistogramPair:
    pair = column.histogram
    labels = (clean(label) for label in pair.labels)
    rows = tuple(zip(labels, pair.training, pair.window, strict=True))
    return HistogramPair(f"{clean(column.name)} drifted: PSI {column.psi:.2f}", ("training", "window"), rows)


def _features(monitored: Monitored) -> Table:
    features = monitored.results.findings.columns[:_MAX_FEATURES]
    rows = tuple(
        (
            clean(each.name),
            f"{each.psi:.4f}",
            "drifted" if each.drifted else "stable",
            f"{100 * each.weight:.0f} %",
            f"{100 * each.contribution:.0f} %",
        )
        for each in features
    )
    columns = ("feature", "PSI", "", "importance", "contribution")
    return Table("contribution to drift", columns, rows)


def _shown(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else number(value)
