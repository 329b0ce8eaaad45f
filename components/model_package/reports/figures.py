"""Figures as inline SVG: one look for the reports of all steps. What is drawn is left to each step.

Built on Figure alone: pyplot would add a second to the import and keep figures in a global list. Names from the data
are plain text in a figure: matplotlib escapes what is markup, and nothing is read as a formula.
"""

import io
import re
import warnings
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

ACCENT = "#0f6cbd"
SECOND = "#c2571a"
QUIET = "#8a97a3"
HALF_WIDTH = (5.0, 3.6)
TALL = (5.0, 4.9)
# Edges of the axes in the figure. Fixed, because matplotlib's automatic layout costs as much as drawing.
MARGINS = {"left": 0.13, "right": 0.98, "bottom": 0.14, "top": 0.91}
MARGINS_WITH_NAMES = {"left": 0.22, "right": 0.96, "bottom": 0.11, "top": 0.93}
MARGINS_WITH_LONG_NAMES = {"left": 0.37, "right": 0.96, "bottom": 0.11, "top": 0.93}
# The frame's variable for a colour; a picture outside of a page has the colour itself.
_VARIABLES = {
    ACCENT: "accent",
    SECOND: "second",
    QUIET: "quiet",
    "#5b6b7b": "quiet",
    "#000000": "ink",
    "#1c2733": "ink",
    "#ffffff": "card",
    "#e6ebef": "line",
    "#107c41": "good",
    "#b3261e": "bad",
    "#8a5a00": "warn",
}
_COLOUR = re.compile("|".join(_VARIABLES))
_STYLE: Any = {
    # Text as text: small files, sharp on any screen, and found by the browser's search.
    "svg.fonttype": "none",
    # Fixed ids make the same numbers give the same bytes.
    "svg.hashsalt": "evaluation",
    "font.family": "sans-serif",
    # A name from the data may hold dollar signs.
    "text.parse_math": False,
    # Of what is drawn as pixels because it has too many points.
    "figure.dpi": 144,
    "savefig.dpi": 144,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": "#5b6b7b",
    "ytick.color": "#5b6b7b",
    "legend.frameon": False,
}


def canvas(
    title: str,
    across: str,
    up: str,
    size: tuple[float, float] = HALF_WIDTH,
    margins: dict[str, float] = MARGINS,
) -> tuple[Figure, Axes]:
    """Make a figure with one pair of axes; `across` and `up` are their labels."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size)
        axes = figure.add_subplot(title=title, xlabel=across, ylabel=up)
        figure.subplots_adjust(**margins)
    return figure, axes


def svg(figure: Figure) -> str:
    """Give the figure as an SVG element; the same numbers give the same bytes."""
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # The browser chooses the font; which letters matplotlib's own has does not matter.
        warnings.filterwarnings("ignore", "Glyph .+ missing from", UserWarning)
        for text in figure.findobj(Text):
            text.set_parse_math(False)
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    drawn = buffer.getvalue()
    # The XML prologue has no place inside an HTML page.
    return _COLOUR.sub(_variable, drawn[drawn.index("<svg") :])


def _variable(found: re.Match[str]) -> str:
    return f"var(--{_VARIABLES[found[0]]}, {found[0]})"


def short(name: str, characters: int) -> str:
    """Return a name from the data in one line of at most so many characters."""
    line = " ".join(name.split())
    return line if len(line) <= characters else f"{line[: characters - 1]}…"
