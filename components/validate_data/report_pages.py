"""Writes the report of a validation, for programs and for people."""

import os
from pathlib import Path
from typing import Any

from model_package.documents import write_json
from model_package.reports.pages import Fact, write_page
from model_package.steps.run import job_facts


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write report.json and report.html."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "report.json", report)
    facts = [Fact("data", report["file"]), *job_facts(os.environ)]
    write_page(folder / "report.html", Path(__file__).with_name("report.html.j2"), {"report": report}, facts)
