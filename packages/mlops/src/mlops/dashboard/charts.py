"""Time series as inline SVG, drawn by matplotlib in the page's own colours. No I/O.

A chart has no style of its own: colours become variables of the page, so that it follows the reader's dark or light
mode, and styles become classes, so that the page need not allow inline styles.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Final

import matplotlib as mpl
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

# Inches at 72 dpi; the page scales a chart to the available width, also on a phone.
_SIZE: Final = (5.0, 2.6)
_MARGINS: Final = {"left": 0.11, "right": 0.98, "bottom": 0.13, "top": 0.86}
_MOST_POINTS: Final = 400
_MOST_MARKERS: Final = 50
_HEADROOM: Final = 1.08
_INK: Final = "#010203"
_QUIET: Final = "#040506"
_COLOURS: Final = {
    "accent": "#0a0b0c",
    "second": "#0d0e0f",
    "third": "#101112",
    "fourth": "#161718",
    "fifth": "#191a1b",
    "sixth": "#1c1d1e",
    "bad": "#131415",
}
_VARIABLES: Final = {
    _INK: "var(--ink)",
    _QUIET: "var(--quiet)",
    **{code: f"var(--{name})" for name, code in _COLOURS.items()},
}
# Distinguishable without colours too.
_DASHES: Final = ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 1)))
_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dashboard",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _QUIET,
    "axes.edgecolor": _QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": _INK,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "legend.frameon": False,
    "legend.labelcolor": _INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
# On the line of the title, where it hides nothing.
_LEGEND: Final[Any] = {
    "loc": "lower right",
    "bbox_to_anchor": (1.0, 1.0),
    "ncols": 3,
    "fontsize": 9,
    "borderaxespad": 0.2,
    "handlelength": 1.4,
    "columnspacing": 0.8,
}
_STYLED: Final = re.compile(r' style="([^"]*)"')
_IDENTIFIED: Final = re.compile(r'<g id="[^"]*"')
_OWN_STYLE: Final = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
_REFERRED: Final = re.compile(r'(id="|href="#|url\(#)')
_FONT: Final = re.compile(r"font-family: [^;]*")
_PROLOGUE: Final = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)


Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Line:
    """Values over time, oldest first; `colour` is accent, second to sixth, or bad."""

    name: str
    times: Sequence[datetime]
    values: Sequence[float]
    colour: str = "accent"


class Charts:
    """The charts of one page, and their shared style sheet."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}
        self._drawn = 0

    @property
    def style_sheet(self) -> str:
        """One class per style of the charts drawn so far."""
        rules = [f".{name}{{{style}}}" for style, name in self._classes.items()]
        return "\n".join([".chart *{stroke-linejoin:round;stroke-linecap:butt}", *rules])

    def draw(self, title: str, lines: Sequence[Line], span: Span, *, from_zero: bool = True) -> str:
        """One chart of the values in `span`. NaN leaves gaps; of very many values only extremes are drawn."""
        with mpl.rc_context(_STYLE):
            figure = Figure(figsize=_SIZE)
            axes = figure.add_subplot(title=title)
            figure.subplots_adjust(**_MARGINS)
            for index, line in enumerate(lines):
                _plot(axes, line, _DASHES[index % len(_DASHES)])
            if from_zero:
                axes.set_ylim(0, _top(lines))
            axes.set_xlim(*(float(date2num(end)) for end in span))
            locator = AutoDateLocator(minticks=3, maxticks=6)
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
            if len(lines) > 1:
                axes.legend(**_LEGEND)
            buffer = io.StringIO()
            figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
        return self._inline(title, buffer.getvalue())

    def _inline(self, title: str, text: str) -> str:
        # An HTML page cannot contain the XML prologue, nor a licence and ids that other charts also have.
        svg = _PROLOGUE.sub("", _OWN_STYLE.sub("", text[text.index("<svg") :]))
        self._drawn += 1
        svg = _REFERRED.sub(rf"\g<1>chart{self._drawn}-", _IDENTIFIED.sub("<g", svg))
        for code, variable in _VARIABLES.items():
            svg = svg.replace(code, variable)
        svg = _STYLED.sub(lambda found: f' class="{self._class(found[1])}"', svg)
        return svg.replace("<svg ", f'<svg class="chart" role="img" aria-label="{escape(title)}" ', 1)

    def _class(self, style: str) -> str:
        style = _FONT.sub("font-family: inherit", style)
        return self._classes.setdefault(style, f"c{len(self._classes)}")


def _plot(axes: Any, line: Line, dashes: Any) -> None:
    picked = _extremes(line.values)
    marker = "o" if len(picked) < _MOST_MARKERS else None
    axes.plot(
        [line.times[at] for at in picked],
        [line.values[at] for at in picked],
        label=line.name,
        color=_COLOURS[line.colour],
        linestyle=dashes,
        linewidth=1.8,
        marker=marker,
        markersize=3.5,
    )


def _top(lines: Sequence[Line]) -> float:
    """The upper limit of the y axis: above everything that is drawn."""
    largest = max((value for line in lines for value in line.values if math.isfinite(value)), default=0.0)
    return largest * _HEADROOM or 1.0


def _extremes(values: Sequence[float]) -> list[int]:
    """The values to draw: all, or the smallest and the largest of each stretch if there are very many."""
    length = -(-2 * len(values) // _MOST_POINTS)
    if length <= 2:
        return list(range(len(values)))
    found: set[int] = set()
    for start in range(0, len(values), length):
        stretch = range(start, min(start + length, len(values)))
        found |= {min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)}
    return sorted(found)
