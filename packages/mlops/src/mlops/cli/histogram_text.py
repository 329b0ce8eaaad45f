"""Two distributions as bars back to back in lines of text, a bin a line, few enough to be seen at once. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlops.core.results import HistogramPair

MOST_ROWS: Final = 10
_LONGEST_LABEL: Final = 14
_WIDEST_BAR: Final = 32
_NARROWEST_BAR: Final = 6
# Indentation, gaps, the line in the middle, and a share of up to four characters with its sign on either side.
_BESIDE_BARS: Final = 2 + 2 + 3 + 2 * 6
_EIGHTHS: Final = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_FULL, _RIGHT_HALF, _MIDDLE = "█", "▐", "│"
_MORE: Final = "…"


@dataclass(frozen=True)
class HistogramLine:
    """A line in parts, for colours: name and share, the left bar, the middle, the right bar, its share."""

    label: str
    left: str
    right: str
    share: str

    @property
    def text(self) -> str:
        """The whole line."""
        return f"{self.label}{self.left}{_MIDDLE}{self.right}{self.share}".rstrip()


def histogram_lines(bars: HistogramPair, width: int) -> list[HistogramLine]:
    """The lines for a terminal so many columns wide: the sides' names first."""
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
    """The rows without empty ends, and the emptiest neighbours together until few are left."""
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
    # There is no character of eighths that begins at the right.
    halves = round(cells * 2)
    return _RIGHT_HALF * (halves % 2) + _FULL * (halves // 2)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _cut(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}{_MORE}"
