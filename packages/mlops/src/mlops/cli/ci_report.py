"""A command's result, or its error, for the CI job that runs it: outputs, the summary of the page, annotations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from mlops.core.markdown import escape, table
from mlops.core.results import Block, Line, Result, Table
from mlops.core.source_location import SourceLocation
from mlops.githost.hosts import current_job
from mlops.githost.no_host import Workstation

_BACKTICKS: Final = re.compile(r"`+")
_SHORTEST_FENCE: Final = 3


def report_result(result: Result) -> None:
    """Report a command's result to the CI job."""
    job = current_job()
    if isinstance(job, Workstation):
        return
    for name, value in result.outputs.items():
        job.set_output(name, value)
    for location in result.locations:
        job.annotate(location, location.message)
    text = result.summary if result.summary is not None else blocks_as_markdown(result.blocks())
    if text:
        job.add_summary(text)


def report_error(message: str, advice: str, details: Sequence[str], locations: Sequence[SourceLocation]) -> None:
    """Report to the CI job why a command failed."""
    job = current_job()
    for location in locations:
        job.annotate(location, location.message)
    if not locations:
        job.annotate(None, f"{message} {advice}".rstrip())
    job.add_summary(error_as_markdown(message, advice, details))


def blocks_as_markdown(blocks: Iterable[Block]) -> str:
    """Lines and tables; text for other programs is not for this page, and may be secret."""
    parts = []
    for block in blocks:
        match block:
            case Table():
                parts.append(_table(block))
            case Line(text=text) if text.strip():
                parts.append(escape(text))
    return "\n\n".join(parts)


def error_as_markdown(message: str, advice: str, details: Sequence[str]) -> str:
    """An error with its evidence."""
    parts = [f"## ❌ {escape(message)}"]
    if details:
        evidence = "\n".join(details)
        longest = max((len(ticks) for ticks in _BACKTICKS.findall(evidence)), default=0)
        fence = "`" * max(_SHORTEST_FENCE, longest + 1)
        parts.append(f"{fence}text\n{evidence}\n{fence}")
    if advice:
        parts.append(escape(advice))
    return "\n\n".join(parts)


def _table(block: Table) -> str:
    width = max((len(row) for row in (block.columns, *block.rows)), default=0)
    columns = [*block.columns, *[""] * (width - len(block.columns))]
    rows = [[*map(escape, row), *[""] * (width - len(row))] for row in block.rows]
    title = [f"### {escape(block.title)}"] if block.title else []
    return "\n\n".join([*title, table([escape(column) for column in columns], rows)])
