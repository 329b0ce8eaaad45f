"""The trials of a sweep as their policies and samplers see them, and which one is best. Pure: no I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from azureml_emulator.jobs.definitions.states import COMPLETED, TERMINAL, State


@dataclass(frozen=True)
class Trial:
    """One trial: its job, its parameters, and what it has reported of the primary metric, in order.

    `terminated` says that a policy or a time limit stopped it, which keeps its score.
    """

    name: str
    parameters: dict[str, Any]
    state: State
    reports: list[float] = field(default_factory=list)
    terminated: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether it will report nothing more."""
        return self.state in TERMINAL

    def best(self, interval: int | None = None, *, maximize: bool) -> float | None:
        """The best of its reports, or of those up to an interval; None when it has none that is a number."""
        numbers = [number for number in self.reports[:interval] if not math.isnan(number)]
        return (max if maximize else min)(numbers, default=None)

    def score(self, *, maximize: bool) -> float | None:
        """Its best report when it may be the best trial: when it completed, or was terminated."""
        return self.best(maximize=maximize) if self.state == COMPLETED or (self.terminated and self.has_ended) else None


def best_trial(trials: Iterable[Trial], *, maximize: bool) -> tuple[Trial, float] | None:
    """The best trial and its score, the first of equals; None when no trial has a score."""
    best: tuple[Trial, float] | None = None
    for trial in trials:
        score = trial.score(maximize=maximize)
        if score is not None and (best is None or (score > best[1] if maximize else score < best[1])):
            best = trial, score
    return best
