"""A gate's report in Markdown, for pull requests and job summaries, within the limit of where it goes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mlops.core.markdown import clean, escape, table
from mlops.gates.plots import draw_plots
from mlops.gates.report import GateReport, Row
from mlops.gates.report_sections import Section, sections

DEFAULT_LIMIT: Final = 65_536
SMALLEST_LIMIT: Final = 1_500

_BLOCKING_SHOWN: Final = 10
_COLUMNS: Final = ("", "gate", "champion", "challenger", "difference", "interval", "threshold")
_MARKS: Final = {"pass": "✅", "fail": "❌", "inconclusive": "❔", "error": "⚠️"}


def markdown_report(report: GateReport, limit: int = DEFAULT_LIMIT, pictures: Mapping[str, str] | None = None) -> str:
    """The report in at most `limit` characters; what did not fit is named at its end.

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
    # What goes first: the plots, then the sections from the least important on.
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
            # Passing gates go before blocking ones.
            passing = [index for index, row in enumerate(rows) if row.outcome == "pass"]
            del rows[passing[-1] if passing else -1]
            hidden += 1
        else:
            head = head[: len(head) - 1]


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
    blocking = [row for row in report.rows if row.outcome != "pass"]
    if blocking:
        lines.append("")
    lines += [
        f"- {_MARKS[row.outcome]} **{escape(row.title)}** ({row.outcome}): {escape(row.sentence)}"
        for row in blocking[:_BLOCKING_SHOWN]
    ]
    if len(blocking) > _BLOCKING_SHOWN:
        lines.append(f"- and {len(blocking) - _BLOCKING_SHOWN} more")
    return lines


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
