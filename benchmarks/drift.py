"""Measures drift of 3 million rows x 24 features: PSI and chi-square of every feature, time, memory, and agreement.

The peer is numpy's histogram of the same bins, in the same run; with `--evidently` also evidently, which must be
installed:

    uv run python benchmarks/drift.py
    uv run --with evidently python benchmarks/drift.py --evidently
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
from harness.figures import Figure, report

from model_package.baseline import Baseline
from model_package.monitoring.drift import compare
from model_package.monitoring.findings import ColumnDrift
from model_package.schema import Feature, Schema

ROWS, REFERENCE_ROWS, NUMBERS, CODED = 3_000_000, 100_000, 18, 6
SECONDS, MEGABYTES = 1.0, 1_000.0
TIMES_FASTER = 20.0
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
    baseline = Baseline.build(schema, training, np.full(len(training), 0.5))
    columns = [np.ascontiguousarray(window[:, at]) for at in range(len(schema.names))]
    del window
    before = peak_megabytes()
    ours = min(seconds(lambda: statistics(schema, baseline, columns)) for _ in range(ROUNDS))
    added = peak_megabytes() - before
    peak = peak_megabytes()
    figures = [
        Figure("PSI and chi-square of 24 features", ours, "s", SECONDS, note=f"{rows:,} rows, best of {ROUNDS}"),
        Figure("peak memory, the rows included", peak, "MB", MEGABYTES, note=f"{added:.0f} MB more than before"),
        *numpys(schema, baseline, columns, ours),
    ]
    return [*figures, *evidentlys(schema, training, columns, ours)] if with_evidently else figures


def make_schema() -> Schema:
    """Numbers and categories as in the example."""
    numbers = [Feature(f"number_{at}", "number") for at in range(NUMBERS)]
    coded = [Feature(f"code_{at}", categories=tuple(range(8))) for at in range(CODED)]
    return Schema("id", "target", (*numbers, *coded))


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


def statistics(schema: Schema, baseline: Baseline, columns: list[np.ndarray]) -> list[ColumnDrift]:
    """PSI and chi-square of every feature, as the step computes them."""
    found = []
    for name, column in zip(schema.names, columns, strict=True):
        known = baseline.features[name]
        found.append(compare(name, known, known.count(column)))
    return found


def numpys(schema: Schema, baseline: Baseline, columns: list[np.ndarray], ours: float) -> list[Figure]:
    """Counting by numpy for some features, as time for all of them, and how many rows it counts otherwise."""
    known = [baseline.features[name] for name in schema.names[:PEER_FEATURES]]

    def count() -> list[np.ndarray]:
        pairs = zip(known, columns, strict=False)
        return [np.histogram(column.astype(np.float64), each.edges)[0] for each, column in pairs]

    taken = seconds(count) / PEER_FEATURES * len(schema.names)
    wrong = sum(
        int(np.abs(each.count(column).counts[1:-1] - counts).sum())
        for each, column, counts in zip(known, columns, count(), strict=False)
    )
    note = f"{taken / ours:.0f} x all of ours"
    return [
        Figure("rows counted in another bin than numpy counts them in", wrong, "", 0),
        Figure("counting alone by numpy, for as many features", taken, "s", note=note),
    ]


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
