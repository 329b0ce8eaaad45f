"""Generate pumps, of which some fail within 30 days: a row per pump. The same seed gives the same bytes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import polars as pl

EXAMPLE = "example: python generate.py --rows 4000 --seed 5 --out pumps.csv"
SITES = {"harbour": 0.4, "hillside": -0.2, "quarry": 0.7, "works": 0.0}
SEALS = {"ceramic": -0.6, "graphite": 0.0, "rubber": 0.5}
MISSING_VIBRATION = 0.08
MISSING_TEMPERATURE = 0.05
USUAL_LOAD = 0.62


def generate(rows: int, seed: int) -> pl.DataFrame:
    """Return so many pumps."""
    random = np.random.default_rng(seed)
    site = random.choice(list(SITES), rows, p=(0.25, 0.3, 0.15, 0.3))
    seal = random.choice(list(SEALS), rows, p=(0.3, 0.45, 0.25))
    months = random.gamma(2.2, 14, rows).astype(int)
    load = np.clip(random.normal(USUAL_LOAD, 0.16, rows), 0.05, 1.2)
    temperature = 38 + 34 * load + random.normal(0, 5, rows)
    vibration = np.exp(random.normal(0.5 + 0.9 * load, 0.35, rows))
    is_serviced = random.random(rows) < 0.55
    # Vibration matters under load, and heat only well above what is usual: no sum of single columns says it.
    risk = -3.4 + np.vectorize(SITES.get)(site) + np.vectorize(SEALS.get)(seal) + 0.018 * months
    risk += 1.6 * (np.log(vibration) - 1.05) * (1 + 2.2 * (load - USUAL_LOAD))
    risk += 0.9 * np.logaddexp(0, (temperature - 64) / 2.5) - 0.9 * is_serviced
    fails = random.random(rows) < 1 / (1 + np.exp(-risk))
    return pl.DataFrame(
        {
            "pump_id": np.arange(rows) + 1,
            "site": site,
            "seal": seal,
            "months": months,
            "load": load.round(3),
            "temperature": with_gaps(temperature.round(1), random.random(rows) < MISSING_TEMPERATURE),
            "vibration": with_gaps(vibration.round(2), random.random(rows) < MISSING_VIBRATION),
            "serviced": np.where(is_serviced, "yes", "no"),
            "fails": np.where(fails, "yes", "no"),
        }
    )


def with_gaps(values: np.ndarray, is_missing: np.ndarray) -> list[float | None]:
    """Return the values, without those that no sensor measured."""
    return [None if gap else float(value) for value, gap in zip(values, is_missing, strict=True)]


def main() -> int:
    """Write the table."""
    parser = argparse.ArgumentParser(description="Generate pumps, of which some fail.", epilog=EXAMPLE)
    parser.add_argument("--out", type=Path, required=True, help="the CSV to write")
    parser.add_argument("--rows", type=int, default=4_000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    generate(arguments.rows, arguments.seed).write_csv(arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
