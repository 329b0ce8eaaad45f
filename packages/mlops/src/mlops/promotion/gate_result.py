"""What `mlops gate` answers: the verdict first, every gate in a table, and the reports it has written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.core.errors import MlopsError
from mlops.core.layout import REPORT_FOLDER, private_folder
from mlops.core.markdown import clean
from mlops.core.results import Block, Line, Result, Table
from mlops.core.source_location import SourceLocation
from mlops.gates.render import html_report, markdown_report
from mlops.gates.report import GateReport
from mlops.settings.project import Project
from mlops.settings.releases import manifest_file

_COLUMNS = ("", "gate", "champion", "challenger", "difference", "interval", "threshold")
STEP_SUMMARY_LIMIT = 1_000_000


@dataclass(frozen=True)
class GateResult(Result):
    """A verdict on the release in a manifest, and where its reports are."""

    report: GateReport
    manifest: Path
    markdown: Path
    html: Path

    @property
    def locations(self) -> Sequence[SourceLocation]:
        """The manifest, for every gate that blocks its release."""
        blocking = [row for row in self.report.rows if row.outcome != "pass"]
        return [SourceLocation(self.manifest, 1, clean(f"{row.title}: {row.sentence}")) for row in blocking]

    @property
    def summary(self) -> str:
        """The report."""
        return markdown_report(self.report, STEP_SUMMARY_LIMIT)

    @property
    def exit_code(self) -> int:
        """1 when the release is blocked."""
        return 0 if self.report.promotes else MlopsError.exit_code

    def document(self) -> dict[str, Any]:
        """The whole report, and the files."""
        return self.report.document() | {"reports": {"markdown": str(self.markdown), "html": str(self.html)}}

    def blocks(self) -> Sequence[Block]:
        """Verdict, reasons, gates, files."""
        places = (("Markdown", str(self.markdown)), ("HTML", str(self.html)))
        return [*verdict_blocks(self.report), Table("reports", (), places)]


def verdict_blocks(report: GateReport) -> list[Block]:
    """The verdict with its reasons, and a table of every gate."""
    rows = tuple(
        (
            row.outcome,
            clean(row.title),
            row.champion,
            row.challenger,
            row.difference,
            row.interval,
            row.threshold,
        )
        for row in report.rows
    )
    return [*verdict_lines(report), Table("", _COLUMNS, rows)]


def verdict_lines(report: GateReport) -> list[Block]:
    """The verdict, and why what blocks does."""
    return [
        Line(clean(report.headline), "good" if report.promotes else "bad"),
        Line(clean(report.comparison)),
        *(
            Line(f"  {row.outcome}: {clean(row.title)}: {clean(row.sentence)} ({clean(row.why)})")
            for row in report.rows
            if row.outcome != "pass"
        ),
    ]


def write_reports(project: Project, report: GateReport, markdown: Path | None, html: Path | None) -> GateResult:
    """Write both reports, to the files given or below the state folder."""
    model = report.proposal.challenger.release.model
    folder = private_folder(project.path(REPORT_FOLDER))
    name = f"gate-{report.proposal.stage}-{model.name}-{model.version}"
    markdown = markdown or folder / f"{name}.md"
    html = html or folder / f"{name}.html"
    for file, text in ((markdown, markdown_report(report, STEP_SUMMARY_LIMIT)), (html, html_report(report))):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return GateResult(report, manifest_file(project.root, report.proposal.stage), markdown, html)
