"""Measures drift of 3 million rows x 24 features: all four statistics of every feature, time, memory, and agreement.

The peer is scipy on the rows themselves, in the same run; with `--evidently` also evidently, which must be installed:

    uv run python benchmarks/drift.py
    uv run --with evidently python benchmarks/drift.py --evidently
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness.figures import Figure, report
from scipy import stats

ROOT = Path(__file__).resolve().parent.parent
# In front: the step has a drift.py as well.
STEPS = ("components/monitor_model", "components/package_model", "components")
sys.path[:0] = [str(ROOT / folder) for folder in STEPS]


from baseline import build_baseline  # noqa: E402 - a step's files, which are no package
from drift import compare, count_like  # noqa: E402

from shared.schema import Feature, Schema  # noqa: E402

ROWS, REFERENCE_ROWS, NUMBERS, CODED = 3_000_000, 100_000, 18, 6
SECONDS, MEGABYTES = 1.0, 1_000.0
TIMES_FASTER = 20.0
# KS at the edges lies at most one bin's share below the rows' own; Wasserstein, in standard deviations of training, is
# off where tails are long and only twenty bins tell of them.
KS_TOLERANCE, DISTANCE_TOLERANCE, CHI_SQUARE_TOLERANCE = 0.05, 0.05, 1e-9
# Rows of one feature are enough for a peer that looks at features one by one.
PEER_FEATURES = 4
ROUNDS = 3


def main() -> int:
    """Measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rows", type=int, default=ROWS, help="default: %(default)s")
    parser.add_argument("--evidently", action="store_true", help="measure evidently as well, where it is installed")
    arguments = parser.parse_args()
    figures = measure(arguments.rows, with_evidently=arguments.evidently)
    return report("Drift", figures, as_json=arguments.json)


def measure(rows: int, *, with_evidently: bool) -> list[Figure]:
    """Our own time and memory first: what peers allocate does not count for us."""
    schema = make_schema()
    training, window = draw(schema, REFERENCE_ROWS, 1, 0.0), draw(schema, rows, 2, 0.1)
    baseline = build_baseline(training, np.full(len(training), 0.5, np.float32), schema)["features"]
    columns = [np.ascontiguousarray(window[:, at]) for at in range(len(schema.names))]
    del window
    before = peak_megabytes()
    ours = min(seconds(lambda: all_statistics(schema, baseline, columns)) for _ in range(ROUNDS))
    added = peak_megabytes() - before
    peak = peak_megabytes()
    found = {each.name: each for each in all_statistics(schema, baseline, columns)}
    figures = [
        Figure("all four statistics of 24 features", ours, "s", SECONDS, note=f"{rows:,} rows, best of {ROUNDS}"),
        Figure("peak memory, the rows included", peak, "MB", MEGABYTES, note=f"{added:.0f} MB more than before"),
        *agreement(schema, baseline, training, columns, found),
        *scipys(schema, training, columns, ours),
    ]
    return [*figures, *evidentlys(schema, training, columns, ours)] if with_evidently else figures


def make_schema() -> Schema:
    """Numbers and categories as in the example."""
    numbers = [Feature(f"number_{at}", "", type="number") for at in range(NUMBERS)]
    coded = [Feature(f"code_{at}", "", categories=tuple(range(8)), nominal=True) for at in range(CODED)]
    return Schema("id", "target", (*numbers, *coded), ())


def draw(schema: Schema, rows: int, seed: int, shift: float) -> np.ndarray:
    """Rows, float32 [rows, features]; every third number has a long tail."""
    random = np.random.default_rng(seed)
    table = np.empty((rows, len(schema.names)), dtype=np.float32)
    for at, feature in enumerate(schema.features):
        if feature.categories:
            table[:, at] = random.integers(0, 8, rows)
        else:
            values = random.standard_normal(rows, dtype=np.float32) + np.float32(shift)
            table[:, at] = np.exp(values) if at % 3 == 0 else values
    return table


def all_statistics(schema: Schema, baseline: dict[str, Any], columns: list[np.ndarray]) -> list[Any]:
    """PSI, KS, chi-square and Wasserstein of every feature, as the step computes them."""
    return [
        compare(name, baseline[name], count_like(baseline[name], column))
        for name, column in zip(schema.names, columns, strict=True)
    ]


def agreement(
    schema: Schema, baseline: dict[str, Any], training: np.ndarray, columns: list[np.ndarray], found: dict[str, Any]
) -> list[Figure]:
    """How far our values lie from scipy's on the rows themselves (chi-square: on the same counts)."""
    ks, distance, statistic = [], [], []
    for at in range(PEER_FEATURES):
        name, column = schema.names[at], columns[at]
        ks.append(abs(stats.ks_2samp(training[:, at], column).statistic - found[name].gap))
        exact = stats.wasserstein_distance(training[:, at], column) / baseline[name]["std"]
        distance.append(abs(exact - found[name].distance))
    for at in range(NUMBERS, NUMBERS + CODED):
        counts = [np.bincount(values.astype(int), minlength=8) for values in (training[:, at], columns[at])]
        exact = stats.chi2_contingency(np.stack(counts), correction=False).statistic
        statistic.append(abs(exact - found[schema.names[at]].chi_square) / exact)
    return [
        Figure("KS against scipy's on the rows, largest difference", max(ks), "", KS_TOLERANCE),
        Figure("Wasserstein against scipy's, standard deviations", max(distance), "", DISTANCE_TOLERANCE),
        Figure("chi-square against scipy's, relative", max(statistic), "", CHI_SQUARE_TOLERANCE),
    ]


def scipys(schema: Schema, training: np.ndarray, columns: list[np.ndarray], ours: float) -> list[Figure]:
    """The same statistics by scipy, for some features, as time for all of them."""

    def some() -> None:
        for at in range(PEER_FEATURES):
            stats.ks_2samp(training[:, at], columns[at])
            stats.wasserstein_distance(training[:, at], columns[at])

    taken = seconds(some) / PEER_FEATURES * len(schema.names)
    return [Figure("KS and Wasserstein by scipy, for as many features", taken, "s", note=f"{taken / ours:.0f} x ours")]


def evidentlys(schema: Schema, training: np.ndarray, columns: list[np.ndarray], ours: float) -> list[Figure]:
    """One statistic (PSI) by evidently, for some features, as time for all of them."""
    import pandas as pd
    from evidently import Report  # ty: ignore[import-not-found]
    from evidently.presets import DataDriftPreset  # ty: ignore[import-not-found]

    names = schema.names[:PEER_FEATURES]
    old = pd.DataFrame({name: training[:, at] for at, name in enumerate(names)})
    new = pd.DataFrame({name: columns[at] for at, name in enumerate(names)})
    taken = seconds(lambda: Report([DataDriftPreset(method="psi")]).run(new, old)) / len(names) * len(schema.names)
    name = "times faster than evidently with one statistic"
    return [Figure(name, taken / ours, "x", TIMES_FASTER, "higher", note=f"evidently {taken:.1f} s")]


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def peak_megabytes() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000


if __name__ == "__main__":
    sys.exit(main())
