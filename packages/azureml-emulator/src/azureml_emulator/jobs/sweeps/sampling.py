"""Picks the parameters of the next trial from those of the trials so far. Pure: no I/O, and no state.

The same sweep with the same trials always gives the same next parameters, so that an interrupted sweep goes on as if
nothing had happened. Libraries are imported on first use, since scipy and optuna take most of a second each and the
emulator starts without them. Bayesian sampling is in `bayesian.py`.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from azureml_emulator.jobs.definitions.sweep import SweepSettings
from azureml_emulator.jobs.sweeps.search_space import CHOICE, Axis, axes, parameters, size, value_at
from azureml_emulator.jobs.sweeps.trials import Trial


def next_parameters(settings: SweepSettings, seed: int, trials: Sequence[Trial]) -> dict[str, Any] | None:
    """The parameters of the next trial, or None when the space is exhausted. `seed` counts if the sweep has none."""
    number = len(trials)
    seed = settings.sampling.seed if settings.sampling.seed is not None else seed
    if settings.sampling.kind == "grid":
        return next(itertools.islice(_grid(settings), number, None), None)
    if settings.sampling.kind == "bayesian":
        from azureml_emulator.jobs.sweeps.bayesian import suggest

        return suggest(settings, seed, trials)
    every = axes(settings.space)
    units = _sobol(len(every), settings, number) if settings.sampling.sobol else _random(len(every), seed, number)
    values = {
        axis: value_at(distribution, unit, settings.sampling.log_base)
        for (axis, distribution), unit in zip(every.items(), units, strict=True)
    }
    return parameters(settings.space, values)


def space_size(settings: SweepSettings) -> int | None:
    """How many different points the space has; None when they cannot be counted."""
    every = axes(settings.space)
    if any(distribution.kind not in {CHOICE, "randint"} for distribution in every.values()):
        return None
    if len(every) == len(settings.space):
        return math.prod(size(distribution) for distribution in every.values())
    return sum(1 for _ in _grid(settings)) if settings.sampling.kind == "grid" else None


def _random(dimensions: int, seed: int, number: int) -> list[float]:
    import numpy as np

    return np.random.default_rng([seed % 2**32, number]).random(dimensions).tolist()


def _sobol(dimensions: int, settings: SweepSettings, number: int) -> list[float]:
    seed = settings.sampling.seed
    from scipy.stats import qmc

    engine = qmc.Sobol(dimensions, scramble=seed is not None, rng=seed)
    # The first point without scrambling is all zeros, which normal distributions do not have.
    skipped = number + (seed is None)
    with warnings.catch_warnings():
        # That the number of points should be a power of 2, which a sweep cannot promise.
        warnings.simplefilter("ignore", UserWarning)
        if skipped:
            engine.fast_forward(skipped)
        return engine.random(1)[0].tolist()


def _grid(settings: SweepSettings) -> Iterator[dict[str, Any]]:
    """All points, each once: axes inside of choices that a point does not take would repeat it."""
    every: list[Axis] = list(axes(settings.space))
    sizes = [range(size(distribution)) for distribution in axes(settings.space).values()]
    seen = set()
    for indices in itertools.product(*sizes):
        point = parameters(settings.space, dict(zip(every, indices, strict=True)))
        if (key := repr(point)) not in seen:
            seen.add(key)
            yield point
