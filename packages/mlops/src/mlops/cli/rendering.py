"""The one place that prints: results as text or JSON on standard output, errors on standard error.

Tables and colour in a terminal, plain lines elsewhere. `rich` is imported only for a terminal. Sentences name
commands as `mlops train`; the prefix that people must type is added here.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO

from mlops.cli.ci_output import report_error, report_result
from mlops.cli.progress import NARROWEST, sign_of_life, wrapped
from mlops.core.errors import MlopsError
from mlops.core.results import Block, HistogramPair, Line, Raw, Result, Table, Tone

if TYPE_CHECKING:
    from rich.console import Console

_STYLES: dict[Tone, str] = {"plain": "", "good": "green", "bad": "bold red", "hint": "dim"}
_COLUMN_GAP = "  "
_BELOW = "      "
_LONGEST_CELL = 24
_PLAIN_WIDTH = 80
_BEFORE, _AFTER = "cyan", "yellow"
# What precedes a command in a sentence: a quotation mark, the start of a substitution, or a colon.
_COMMAND = re.compile(r"(?<=[`(])mlops (?=[a-z-])|(?<=: )mlops (?=[a-z-])")
_TYPED = "uv run mlops "


def answer(result: Result, *, as_json: bool) -> int:
    """Print a command's result on standard output, report it to the CI system, and return its exit code."""
    render_result(result, as_json=as_json, out=sys.stdout)
    report_result(result)
    return result.exit_code


def render_result(result: Result, *, as_json: bool, out: TextIO) -> None:
    """Print a result: one JSON object, or text for people."""
    sign_of_life.clear()
    if as_json:
        print(json.dumps(result.document(), ensure_ascii=False, allow_nan=False), file=out)
    else:
        _render_blocks(result.blocks(), out)
    out.flush()


def render_error(error: MlopsError, *, as_json: bool, out: TextIO, err: TextIO) -> None:
    """Print an error for people on `err`, and with `as_json` also as one JSON object on `out`; report it to CI."""
    sign_of_life.clear()
    message, advice = as_typed(error.message), as_typed(error.advice)
    blocks: list[Block] = [Line(f"Error: {message}", "bad")]
    blocks += [Raw(f"  {detail}") for detail in error.details]
    if advice:
        blocks.append(Line(advice))
    _render_blocks(blocks, err)
    if as_json:
        body = {"message": message, "advice": advice, "details": list(error.details)}
        print(json.dumps({"error": body}, ensure_ascii=False), file=out)
    report_error(message, advice, error.details, error.locations)


def as_typed(sentence: str) -> str:
    """A sentence whose commands are written as people type them in this project."""
    return _COMMAND.sub(_TYPED, sentence)


def table_lines(table: Table) -> list[str]:
    """A table as aligned lines without frames."""
    rows = [table.columns, *table.rows] if table.columns else list(table.rows)
    count = max((len(row) for row in rows), default=0)
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(count)]
    lines = [table.title] if table.title else []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        lines.append(_COLUMN_GAP + _COLUMN_GAP.join(cells).rstrip())
    return lines


def narrow_lines(table: Table, width: int) -> list[str]:
    """A table in lines of at most `width` characters, broken only between words.

    Its optional columns are left out until it fits. If it never does, each row is a line of its short cells, with the
    long ones below it; where even these do not fit, a table of short cells becomes several below each other, and any
    other one a list of names and values per row.
    """
    for name in ("", *table.optional):
        table = table.without(name) if name else table
        lines = table_lines(table)
        if max(map(len, lines), default=0) <= width:
            return lines
    if not table.columns:
        return _named_values(table, width)
    columns = range(len(table.columns))
    widths = [max(len(row[at]) for row in (table.columns, *table.rows) if at < len(row)) for at in columns]
    longest = max(columns, key=lambda at: widths[at])
    room = width - sum(widths) + widths[longest] - len(_COLUMN_GAP) * len(widths)
    if room >= NARROWEST:
        return _with_wrapped_cells(table, longest, room)
    long = [at for at in columns if widths[at] > _LONGEST_CELL]
    short = [at for at in columns if at not in long]
    lines = [table.title] if table.title else []
    if sum(widths[at] + len(_COLUMN_GAP) for at in short) > width:
        parts = [] if long else _side_by_side(widths, width)
        return [*lines, *(_in_parts(table, parts) if parts else _as_records(table, width))]
    for row in (table.columns, *table.rows):
        cells = [row[at].ljust(widths[at]) for at in short if at < len(row)]
        lines.append((_COLUMN_GAP + _COLUMN_GAP.join(cells)).rstrip())
        lines += [line for at in long if at < len(row) and row[at] for line in wrapped(_BELOW + row[at], width)]
    return lines


def _side_by_side(widths: Sequence[int], width: int) -> list[list[int]]:
    """The columns as groups that fit a line, each with the first column; nothing if some column never does."""
    groups = [[0]]
    for at in range(1, len(widths)):
        if len(groups[-1]) > 1 and sum(widths[each] + len(_COLUMN_GAP) for each in (*groups[-1], at)) > width:
            groups.append([0])
        groups[-1].append(at)
    fits = all(sum(widths[each] + len(_COLUMN_GAP) for each in group) <= width for group in groups)
    return groups if fits else []


def _in_parts(table: Table, groups: Sequence[Sequence[int]]) -> list[str]:
    """A table per group of columns, below each other."""
    lines: list[str] = []
    for group in groups:
        columns, *rows = (tuple(row[at] for at in group if at < len(row)) for row in (table.columns, *table.rows))
        lines += [*([""] if lines else []), *table_lines(Table("", columns, tuple(rows)))]
    return lines


def _as_records(table: Table, width: int) -> list[str]:
    """Names and values per row, without those that are empty."""
    lines: list[str] = []
    for row in table.rows:
        named = tuple((name, cell) for name, cell in zip(table.columns, row, strict=False) if cell)
        lines += [*([""] if lines else []), *_named_values(Table("", (), named), width)]
    return lines


def _with_wrapped_cells(table: Table, column: int, room: int) -> list[str]:
    """The table with the cells of one column broken between words."""
    rows = []
    for row in table.rows:
        parts = wrapped(row[column], room) if column < len(row) else [""]
        rows.append((*row[:column], parts[0], *row[column + 1 :]))
        empty = [""] * len(row)
        rows += [(*empty[:column], part, *empty[column + 1 :]) for part in parts[1:]]
    return table_lines(Table(table.title, table.columns, tuple(rows)))


def _named_values(table: Table, width: int) -> list[str]:
    """Names and values, with what does not fit below the value."""
    names = min(max((len(row[0]) for row in table.rows if len(row) > 1), default=0), width // 2)
    lines = [table.title] if table.title else []
    for row in table.rows:
        text = f"{_COLUMN_GAP}{row[0].ljust(names)}{_COLUMN_GAP}{_COLUMN_GAP.join(row[1:])}".rstrip()
        lines += wrapped(text, width, names + 2 * len(_COLUMN_GAP))
    return lines


def _render_blocks(blocks: Sequence[Block], out: TextIO) -> None:
    if out.isatty():
        _render_rich(blocks, out)
        return
    for block in blocks:
        match block:
            case Table():
                print("\n".join(table_lines(block)), file=out)
            case HistogramPair(title=title):
                print("\n".join([title, *(line.text for line in histogram_lines(block, _PLAIN_WIDTH))]), file=out)
            case Line(text=text):
                print(as_typed(text), file=out)
            case Raw(text=text):
                print(text, file=out)


def _render_rich(blocks: Sequence[Block], out: TextIO) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=out, highlight=False)
    for block in blocks:
        match block:
            case Table():
                _render_rich_table(block, console)
            case HistogramPair():
                _render_rich_histograms(block, console)
            case Line(text=text, tone=tone):
                for line in wrapped(as_typed(text), console.width):
                    console.print(Text(line, style=_STYLES[tone]), soft_wrap=True)
            case Raw(text=text):
                print(text, file=out)


def _render_rich_table(table: Table, console: Console) -> None:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    lines = table_lines(table)
    frame = 1 + max((len(row) for row in (table.columns, *table.rows)), default=0)
    if max(map(len, lines), default=0) + frame > console.width:
        # A frame would break words, and addresses so that they cannot be copied or clicked.
        for line in narrow_lines(table, console.width):
            console.print(Text(line), soft_wrap=True)
        return
    # A title of the table itself would be broken at the table's width.
    for line in wrapped(table.title, console.width) if table.title else ():
        console.print(Text(line, style="italic"), soft_wrap=True)
    rich_table = RichTable(box=box.ROUNDED, show_header=bool(table.columns))
    for name in table.columns or ("",) * max((len(row) for row in table.rows), default=0):
        rich_table.add_column(name, overflow="fold")
    for row in table.rows:
        rich_table.add_row(*(Text(cell) for cell in row))
    console.print(rich_table)


def _render_rich_histograms(bars: HistogramPair, console: Console) -> None:
    from rich.text import Text

    console.print(Text(bars.title, style="bold"), soft_wrap=True)
    for line in histogram_lines(bars, console.width):
        parts = ((line.label, ""), (line.left, _BEFORE), ("│", "dim"), (line.right, _AFTER), (line.share, ""))
        console.print(Text.assemble(*parts), soft_wrap=True)


MOST_ROWS: Final = 10
_LONGEST_LABEL: Final = 14
_WIDEST_BAR: Final = 32
_NARROWEST_BAR: Final = 6
# Indentation, gaps, the middle line, and on either side a share of up to four characters with its percent sign.
_BESIDE_BARS: Final = 2 + 2 + 3 + 2 * 6
_EIGHTHS: Final = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_FULL, _RIGHT_HALF, _MIDDLE = "█", "▐", "│"
_MORE: Final = "…"


@dataclass(frozen=True)
class HistogramLine:
    """A line in parts, for colours: name and share, left bar, middle, right bar, share."""

    label: str
    left: str
    right: str
    share: str

    @property
    def text(self) -> str:
        """The whole line."""
        return f"{self.label}{self.left}{_MIDDLE}{self.right}{self.share}".rstrip()


def histogram_lines(bars: HistogramPair, width: int) -> list[HistogramLine]:
    """The lines for a terminal of this width: the labels of the sides first."""
    rows = merged(bars.rows)
    labels = [_cut(label) for label, _, _ in rows]
    longest = max((len(label) for label in labels), default=0)
    half = max(_NARROWEST_BAR, min(_WIDEST_BAR, (width - _BESIDE_BARS - longest) // 2))
    highest = max((share for _, *shares in rows for share in shares), default=0.0) or 1.0
    before, after = bars.labels
    lines = [HistogramLine(" " * (longest + 10), f"{before:>{half}} ", f" {after:<{half}}", "")]
    for label, (_, left, right) in zip(labels, rows, strict=True):
        name = f"  {label:>{longest}}  {_percent(left):>5} "
        right_bar = _rightwards(right / highest * half)
        lines.append(
            HistogramLine(name, f"{_leftwards(left / highest * half):>{half}} ", f" {right_bar} ", _percent(right))
        )
    return lines


def merged(rows: tuple[tuple[str, float, float], ...]) -> list[tuple[str, float, float]]:
    """Drop empty rows at the ends, and merge the emptiest neighbours until few rows are left."""
    kept = list(rows)
    for end in (0, -1):
        while kept and not (kept[end][1] or kept[end][2]):
            kept.pop(end)
    while len(kept) > MOST_ROWS:
        sums = [sum(kept[at][1:]) + sum(kept[at + 1][1:]) for at in range(len(kept) - 1)]
        at = sums.index(min(sums))
        label, left, right = kept[at]
        _, more_left, more_right = kept.pop(at + 1)
        kept[at] = (label if label.endswith(_MORE) else f"{label} {_MORE}", left + more_left, right + more_right)
    return kept


def _rightwards(cells: float) -> str:
    eighths = round(cells * len(_EIGHTHS))
    return _FULL * (eighths // len(_EIGHTHS)) + _EIGHTHS[eighths % len(_EIGHTHS)]


def _leftwards(cells: float) -> str:
    # There is no eighth-block character that begins at the right.
    halves = round(cells * 2)
    return _RIGHT_HALF * (halves % 2) + _FULL * (halves // 2)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _cut(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}{_MORE}"
