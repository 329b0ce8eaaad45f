"""Writes the report of a validation, for programs and for people."""

from pathlib import Path
from typing import Any

from model_package.documents import write_json
from model_package.reports.pages import write_page


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write report.json and report.html."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "report.json", report)
    write_page(folder / "report.html", Path(__file__).with_name("report.html.j2"), {"report": report})
