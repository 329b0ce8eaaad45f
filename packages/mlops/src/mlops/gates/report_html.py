"""A gate's report as one HTML file with everything in it: no script, no link out, readable on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mlops.gates.plots import draw_plots
from mlops.gates.report import GateReport
from mlops.gates.report_sections import sections
from mlops.markdown import clean

_TEMPLATE: Final = "report.html.j2"


def html_report(report: GateReport) -> str:
    """The report as an HTML document."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clean"] = clean
    return environment.get_template(_TEMPLATE).render(
        report=report, plots=draw_plots(report), sections=sections(report)
    )
