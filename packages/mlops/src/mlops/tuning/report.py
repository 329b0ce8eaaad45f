"""What a tuning found, and its report: metric over trials, parallel coordinates, importance of the parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model_package.reports.figures import ACCENT, HALF_WIDTH, MARGINS_WITH_NAMES, QUIET, SECOND, canvas, short, svg
from model_package.reports.pages import Fact, Section, keep_page, page_environment, written_number

_TEMPLATE: Final = Path(__file__).with_name("report.html.j2")
_WIDE: Final = (10.2, 3.9)
_WIDE_MARGINS: Final = {"left": 0.04, "right": 0.96, "bottom": 0.12, "top": 0.86}
_LONGEST_NAME: Final = 22
# A quadratic fit has three coefficients; fewer trials explain nothing.
_LEAST_TRIALS: Final = 5
_FEW_VALUES: Final = 3
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """One trial: its job, its state, its parameters, and the best value that it reported of the metric."""

    number: int
    job: str
    state: str
    parameters: Mapping[str, Any]
    score: float | None


@dataclass(frozen=True)
class Comparison:
    """All trials of a tuning, and what the parameters of train.yml score on the same rows."""

    metric: str
    maximize: bool
    current: float | None
    trials: tuple[Trial, ...]

    @property
    def scored(self) -> tuple[Trial, ...]:
        """The trials with a score, in their order."""
        return tuple(trial for trial in self.trials if trial.score is not None)

    @property
    def best(self) -> Trial | None:
        """The best trial, the first of equals."""
        return min(self.scored, key=lambda trial: -self._signed(trial.score), default=None)

    @property
    def gain(self) -> float | None:
        """By how much the best trial beats the current parameters; below 0 where it does not."""
        best = self.best
        if best is None or self.current is None:
            return None
        return self._signed(best.score) - self._signed(self.current)

    def ranked(self) -> list[Trial]:
        """The trials with a score, best first."""
        return sorted(self.scored, key=lambda trial: -self._signed(trial.score))

    def _signed(self, score: float | None) -> float:
        return (score or 0.0) * (1 if self.maximize else -1)


def write_report(file: Path, found: Comparison, facts: Sequence[Fact]) -> Path:
    """Write the report, with what it is about, beside the other reports of the project."""
    weights = importance(found)
    sections = [
        Section("Progress", "", (_over_trials(found), _importance(weights))),
        Section(
            "Parameters of every trial",
            "A line per trial; the darker, the better. The best one stands out.",
            (_parallel_coordinates(found),),
        ),
    ]
    context = {"found": found, "sections": sections, "written": written_number, "names": _names(found)}
    environment = page_environment(_TEMPLATE.parent)
    # A browser may break long names after an underscore, so that the last column stays on the page.
    environment.filters["breakable"] = lambda name: name.replace("_", "_\u200b")
    text = environment.get_template(_TEMPLATE.name).render(context)
    return keep_page(file, text, facts)


def importance(found: Comparison) -> dict[str, float]:
    """How much of the differences between trials each parameter explains alone, from 0 to 1, the largest first.

    The adjusted R² of a quadratic fit to the ranks of a numeric parameter, and of group means for any other.
    """
    scores = np.array([trial.score for trial in found.scored], dtype=np.float64)
    explained = {name: _explained([trial.parameters[name] for trial in found.scored], scores) for name in _names(found)}
    return dict(sorted(explained.items(), key=lambda each: -each[1]))


def _explained(values: Sequence[Any], scores: Doubles) -> float:
    places = _places(values)
    different = len(np.unique(places))
    if len(scores) < _LEAST_TRIALS or different == 1 or not np.ptp(scores):
        return 0.0
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numeric and different >= _FEW_VALUES:
        design = np.vander(places / places.max(), 3)
    else:
        design = (places[:, None] == np.unique(places)).astype(np.float64)
    fitted = design @ np.linalg.lstsq(design, scores, rcond=None)[0]
    unexplained = float(((scores - fitted) ** 2).sum() / ((scores - scores.mean()) ** 2).sum())
    free = len(scores) - design.shape[1]
    return max(0.0, 1 - unexplained * (len(scores) - 1) / free) if free > 0 else 0.0


def _places(values: Sequence[Any]) -> Doubles:
    """The rank of each value among the different ones: numbers by size, others by their text."""
    order = {text: place for place, text in enumerate(_ordered(values))}
    return np.array([order[_text(value)] for value in values], dtype=np.float64)


def _ordered(values: Sequence[Any]) -> list[str]:
    different = {_text(value): value for value in values}
    if all(isinstance(value, int | float) for value in values):
        return sorted(different, key=lambda text: float(different[text]))
    return sorted(different)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _names(found: Comparison) -> list[str]:
    return list(found.trials[0].parameters) if found.trials else []


def _over_trials(found: Comparison) -> str:
    figure, axes = canvas("Metric over trials", "trial", short(found.metric, _LONGEST_NAME), margins=MARGINS_WITH_NAMES)
    numbers = np.array([trial.number for trial in found.scored])
    scores = np.array([trial.score for trial in found.scored], dtype=np.float64)
    stopped = np.array([trial.state != "Completed" for trial in found.scored], dtype=bool)
    if len(scores):
        best = (np.maximum if found.maximize else np.minimum).accumulate(scores)
        axes.step(numbers, best, where="post", color=ACCENT, label="best so far")
        axes.scatter(numbers[~stopped], scores[~stopped], color=ACCENT, s=18)
        axes.scatter(
            numbers[stopped], scores[stopped], facecolors="none", edgecolors=QUIET, s=18, label="stopped early"
        )
        # One bad trial must not squeeze the others into a line.
        low, high = np.quantile(scores, [0.1, 1.0] if found.maximize else [0.0, 0.9])
        shown = [low, high, *([found.current] if found.current is not None else [])]
        margin = 0.1 * (max(shown) - min(shown)) or 0.01
        axes.set_ylim(min(shown) - margin, max(shown) + margin)
    if found.current is not None:
        axes.axhline(found.current, color=SECOND, linestyle="--", label="train.yml now")
    axes.legend(loc="best", fontsize=9)
    return svg(figure)


def _importance(weights: Mapping[str, float]) -> str:
    margins = {**MARGINS_WITH_NAMES, "left": 0.34}
    figure, axes = canvas("Share of the differences explained", "", "", HALF_WIDTH, margins)
    names = list(weights)[::-1]
    axes.barh([short(name, _LONGEST_NAME) for name in names], [weights[name] for name in names], color=ACCENT)
    axes.set_xlim(0, 1)
    return svg(figure)


def _parallel_coordinates(found: Comparison) -> str:
    figure, axes = canvas("Parallel coordinates", "", "", _WIDE, _WIDE_MARGINS)
    names, trials = _names(found), found.ranked()[::-1]
    axes.set_axis_off()
    if not trials or not names:
        return svg(figure)
    columns = [_places([trial.parameters[name] for trial in trials]) for name in names]
    scores = np.array([trial.score for trial in trials], dtype=np.float64)
    heights = [column / (column.max() or 1.0) for column in columns]
    spread = np.ptp(scores) or 1.0
    heights.append((scores - scores.min()) / spread)
    ranks = np.linspace(0.12, 0.75, len(trials))
    for place, _ in enumerate(trials):
        is_best = place == len(trials) - 1
        line = [height[place] for height in heights]
        color, alpha = (SECOND, 1.0) if is_best else (ACCENT, float(ranks[place]))
        axes.plot(range(len(line)), line, color=color, alpha=alpha, linewidth=2.4 if is_best else 1.2)
    labels = [_ordered([trial.parameters[name] for trial in trials]) for name in names]
    labels.append([written_number(scores.min()), written_number(scores.max())])
    for place, (name, ends) in enumerate(zip([*names, found.metric], labels, strict=True)):
        axes.axvline(place, color=QUIET, linewidth=0.8)
        axes.text(place, 1.06, short(name, _LONGEST_NAME), ha="center", va="bottom", fontsize=9)
        axes.text(place, -0.04, short(ends[0], _LONGEST_NAME), ha="center", va="top", fontsize=8, color=QUIET)
        if len(ends) > 1:
            axes.text(place, 1.0, short(ends[-1], _LONGEST_NAME), ha="center", va="bottom", fontsize=8, color=QUIET)
    axes.set_ylim(-0.12, 1.16)
    return svg(figure)
