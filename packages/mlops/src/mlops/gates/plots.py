"""Plots of a gate's evidence as SVG text, written without a plotting library: small, and sharp on any screen.

Every text is escaped here; apart from texts only numbers get into the markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
import numpy.typing as npt

from mlops.core.markdown import clean
from mlops.gates.performance import Answers, Performance
from mlops.gates.report import GateReport
from mlops.settings.gates import catalogue
from model_package.errors import ExtensionError
from model_package.tasks.task import Chart

_SIZE: Final = 320
_MARGIN: Final = 40
_INNER: Final = _SIZE - 2 * _MARGIN
_CURVE_POINTS: Final = 200
_LINE_HEIGHT: Final = 26
_LABEL_WIDTH: Final = 160
_LONGEST_LABEL: Final = 22
_WIDE: Final = 370

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Line:
    name: str
    style: str
    x: Floats
    y: Floats
    dots: bool = False


def draw_plots(report: GateReport) -> dict[str, str]:
    """Return title → SVG, for everything that the evidence holds."""
    performance = report.evidence.performance
    if performance is None:
        return {}
    drawn = {chart.title: _of_answers(performance, chart) for chart in performance.challenger.task.charts}
    plots = {title: picture for title, picture in drawn.items() if picture}
    differences = _differences(report)
    if differences:
        plots["Difference from the champion, with interval"] = differences
    return plots


def _models(performance: Performance) -> list[tuple[str, str, Answers]]:
    pairs = (("champion", "old", performance.champion), ("challenger", "new", performance.challenger))
    return [(name, style, answers) for name, style, answers in pairs if answers is not None]


def _of_answers(performance: Performance, chart: Chart) -> str:
    """A task's chart with a line per model; "" where a model's rows or its task do not give one."""
    lines = []
    for name, style, answers in _models(performance):
        try:
            x, y = answers.task.draw(chart, answers.target, answers.answer)
        except ExtensionError:
            # The verdict says already what failed, or needs no picture.
            return ""
        if not len(x):
            return ""
        picked = np.unique(np.linspace(0, len(x) - 1, _CURVE_POINTS).astype(int))
        lines.append(_Line(name, style, x[picked], y[picked], dots=chart.dots))
    if chart.limits:
        return _chart(chart, chart.limits, lines)
    values = np.concatenate([each for line in lines for each in (line.x, line.y)])
    return _chart(chart, (float(values.min()), float(values.max())), lines)


def _chart(chart: Chart, limits: tuple[float, float], lines: Sequence[_Line]) -> str:
    """A square chart with the same limits on both axes, and the diagonal."""
    low, high = _MARGIN, _SIZE - _MARGIN
    marks = [
        f'<rect class="frame" x="{low}" y="{low}" width="{_INNER}" height="{_INNER}"/>',
        f'<line class="guide" x1="{low}" y1="{high}" x2="{high}" y2="{low}"/>',
        f'<text x="{_SIZE / 2}" y="{_SIZE - 8}" text-anchor="middle">{escape(chart.across)}</text>',
        f'<text x="12" y="{_SIZE / 2}" text-anchor="middle" transform="rotate(-90 12 {_SIZE / 2})">'
        f"{escape(chart.up)}</text>",
    ]
    for share in (0, 0.5, 1):
        at, tick = low + share * _INNER, limits[0] + share * (limits[1] - limits[0])
        marks.append(f'<text x="{at}" y="{high + 16}" text-anchor="middle">{tick:.3g}</text>')
        marks.append(f'<text x="{low - 6}" y="{_SIZE - at + 4}" text-anchor="end">{tick:.3g}</text>')
    for index, line in enumerate(lines):
        marks += _drawn(line, limits)
        marks.append(
            f'<text class="{line.style}" x="{high - 8}" y="{high - 12 - 16 * index}" text-anchor="end">'
            f"{escape(line.name)}</text>"
        )
    return _svg(chart.title, _SIZE, _SIZE, marks)


def _drawn(line: _Line, limits: tuple[float, float]) -> list[str]:
    low, scale = limits[0], _INNER / ((limits[1] - limits[0]) or 1.0)
    points = [
        (_MARGIN + float(x - low) * scale, _SIZE - _MARGIN - float(y - low) * scale)
        for x, y in zip(line.x, line.y, strict=True)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = [f'<circle class="{line.style}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points]
    return [f'<polyline class="{line.style}" points="{path}"/>', *(dots if line.dots else [])]


def _differences(report: GateReport) -> str:
    """One line per compared gate: the interval of the difference, and the margin that it must keep."""
    compared = _compared(report)
    if not compared:
        return ""
    reach = 1.05 * max(abs(value) for _, _, values in compared for value in values) or 1.0
    width, height = _WIDE - _LABEL_WIDTH - 10, _LINE_HEIGHT * (len(compared) + 1)

    def at(value: float) -> float:
        return _LABEL_WIDTH + width * (value + reach) / (2 * reach)

    marks = [f'<line class="guide" x1="{at(0):.1f}" y1="0" x2="{at(0):.1f}" y2="{height - 18}"/>']
    for index, (title, passed, (low, value, high, margin)) in enumerate(compared):
        y = _LINE_HEIGHT * (index + 0.6)
        style = "new" if passed else "bad"
        marks += [
            f'<text x="{_LABEL_WIDTH - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(_short(title))}</text>',
            _stroke(style, (at(low), y), (at(high), y)),
            f'<circle class="{style}" cx="{at(value):.1f}" cy="{y:.1f}" r="3"/>',
            _stroke("margin", (at(margin), y - 8), (at(margin), y + 8)),
        ]
    for tick, anchor in ((-reach, "start"), (0.0, "middle"), (reach, "end")):
        label = f'<text x="{at(tick):.1f}" y="{height - 4}" text-anchor="{anchor}">{tick:.2g}</text>'
        marks.append(label)
    return _svg("Difference from the champion", _WIDE, height, marks)


def _stroke(style: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _compared(report: GateReport) -> list[tuple[str, bool, tuple[float, float, float, float]]]:
    """Title, whether it passed, and (low, difference, high, margin) of each gate with an interval."""
    found = []
    for outcome in report.verdict.outcomes:
        measured = report.evidence.measures.get(outcome.rule.measure)
        interval = measured.difference_interval if measured else None
        drop, rise = outcome.rule.bounds.max_drop, outcome.rule.bounds.max_rise
        margin = -drop if drop is not None else rise
        if measured and measured.difference is not None and interval and margin is not None:
            values = (interval.low, measured.difference, interval.high, margin)
            if np.isfinite(values).all():
                found.append((catalogue().short_title(outcome.rule.measure), outcome.passed, values))
    return found


def _short(title: str) -> str:
    text = clean(title)
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"


# The variables of the reports' frame; a picture outside of a page has the colours beside them.
_STYLE: Final = (
    "text{font:11px system-ui,sans-serif;fill:var(--quiet,#5b6b7b)}.frame{fill:none;stroke:var(--line,#dfe5ea)}"
    ".guide{stroke:var(--quiet,#b8c4ce);stroke-dasharray:4 4}polyline{fill:none;stroke-width:2}"
    "line{stroke-width:2}.new{stroke:var(--accent,#0f6cbd)}"
    "circle.new,text.new{fill:var(--accent,#0f6cbd);stroke:none}"
    ".old{stroke:var(--warn,#8a5a00)}circle.old,text.old{fill:var(--warn,#8a5a00);stroke:none}"
    ".bad{stroke:var(--bad,#b3261e)}circle.bad{fill:var(--bad,#b3261e);stroke:none}.margin{stroke:var(--ink,#1c2733)}"
)


def _svg(title: str, width: float, height: float, marks: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>{''.join(marks)}</svg>"
    )
