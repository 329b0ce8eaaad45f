"""What `mlops monitor` answers: the verdict first, every rule in a table, what moved, and the page it has written."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mlops.core.layout import REPORT_FOLDER, private_folder
from mlops.core.markdown import clean, escape
from mlops.core.markdown import table as markdown_table
from mlops.core.results import Block, HistogramPair, Line, Result, Table
from mlops.monitoring.measures import ShareHistograms
from mlops.monitoring.report import UNTRUSTED, Monitored, Row
from mlops.monitoring.verdict import State
from mlops.settings.project import Project

EXIT_CODES: Final[dict[State, int]] = {"healthy": 0, "quiet": 0, "drift": 10, "quality": 11, "service": 12}
_COLUMNS: Final = ("", "rule", "now", "release", "difference", "threshold")
_MOST_FEATURES: Final = 6
_MOST_PICTURES: Final = 3
_TEMPLATE: Final = "report.html.j2"
_FINE: Final = ("healthy", "quiet")
_TIME: Final = "%Y%m%d-%H%M"


@dataclass(frozen=True)
class MonitorResult(Result):
    """A verdict, the number of its record in the audit log, whether that is new, and its page."""

    monitored: Monitored
    record: int
    is_new: bool
    html: Path

    @property
    def exit_code(self) -> int:
        """0 for healthy and quiet, 10 for drift, 11 for a matter of quality, 12 for one of the service."""
        return EXIT_CODES[self.monitored.verdict.state]

    @property
    def outputs(self) -> dict[str, str]:
        """The verdict, for whoever retrains."""
        verdict = self.monitored.verdict
        told = {"state": verdict.state, "retrain": str(verdict.retrain).lower(), "report": str(self.html)}
        return told | {"because": self._because}

    @property
    def summary(self) -> str:
        """The verdict and every rule."""
        rows = [
            (each.outcome, *(escape(cell) for cell in (each.title, each.now, each.release, each.threshold)))
            for each in self.monitored.rows
        ]
        told = [escape(f"{each.title}: {each.sentence} ({each.why})") for each in _told(self.monitored)]
        lines = [f"## {escape(self.monitored.headline)}", *(f"- {line}" for line in told)]
        return "\n".join(lines) + "\n\n" + markdown_table(("", "rule", "now", "release", "threshold"), rows) + "\n"

    def document(self) -> dict[str, Any]:
        """The whole verdict, and where it is noted."""
        noted = {"record": self.record, "new": self.is_new}
        return self.monitored.document() | {"audit": noted, "report": str(self.html)}

    def blocks(self) -> Sequence[Block]:
        """Verdict, reasons, rules, what moved, page."""
        monitored = self.monitored
        fine = monitored.verdict.state in _FINE
        blocks: list[Block] = [Line(clean(monitored.headline), "good" if fine else "bad")]
        blocks.append(Line(f"{monitored.request.window}, job {monitored.results.job}"))
        blocks += [
            Line(f"  {each.outcome}: {clean(each.title)}: {clean(each.sentence)} ({each.why})")
            for each in _told(monitored)
        ]
        blocks += [Line(f"  note: {clean(note)}") for note in monitored.results.measurements.notes]
        rows = tuple(
            (each.outcome, clean(each.title), each.now, each.release, each.interval, each.threshold)
            for each in monitored.rows
        )
        blocks.append(Table("", _COLUMNS, rows))
        if monitored.results.measurements.features:
            blocks.append(_features(monitored))
            blocks += moved_pictures(monitored)
        known = "" if self.is_new else ", as before"
        blocks.append(Line(f"noted as record {self.record} of the audit log{known}"))
        blocks.append(Line(f"report  {self.html}"))
        if monitored.advice:
            blocks.append(Line(f"Next: {monitored.advice}", "hint"))
        if monitored.verdict.retrain:
            blocks.append(Line(f"Then: `mlops retrain --because {self._because}`", "hint"))
        return blocks

    @property
    def _because(self) -> str:
        """How `mlops retrain` is told of the verdict."""
        return f"{self.monitored.request.stage_name}/{self.record}"


def write_report(project: Project, monitored: Monitored, html: Path | None) -> Path:
    """Write the page, to the file given or below the state folder. It holds everything and asks nobody."""
    request = monitored.request
    if html is None:
        folder = private_folder(project.path(REPORT_FOLDER))
        html = folder / f"monitor-{request.stage_name}-{request.window.until.strftime(_TIME)}.html"
    html.parent.mkdir(parents=True, exist_ok=True)
    html.write_text(html_page(monitored), encoding="utf-8")
    return html


def html_page(monitored: Monitored) -> str:
    """The verdict with its pictures as an HTML document."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clean"] = clean
    # As images they cannot run anything, whatever a job has written into them.
    pictures = {name: base64.b64encode(text.encode()).decode() for name, text in monitored.results.pictures.items()}
    return environment.get_template(_TEMPLATE).render(
        monitored=monitored, told=_told(monitored), pictures=pictures, fine=monitored.verdict.state in _FINE
    )


def moved_pictures(monitored: Monitored) -> list[Block]:
    """The drifted features that contribute most, in training and in the window."""
    drifted = [each for each in monitored.results.measurements.features if each.drifted and each.histogram]
    return [_picture(each.name, each.psi, each.histogram) for each in drifted[:_MOST_PICTURES] if each.histogram]


def _picture(name: str, psi: float, pair: ShareHistograms) -> HistogramPair:
    labels = (clean(label) for label in pair.labels)
    rows = tuple(zip(labels, pair.training, pair.window, strict=True))
    return HistogramPair(f"{clean(name)} drifted: PSI {psi:.2f}", ("training", "window"), rows)


def _told(monitored: Monitored) -> list[Row]:
    """The rules that are not kept, as far as that can be believed."""
    return [each for each in monitored.rows if each.outcome not in ("pass", UNTRUSTED)]


def _features(monitored: Monitored) -> Table:
    features = monitored.results.measurements.features[:_MOST_FEATURES]
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
