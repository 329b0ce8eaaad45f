"""Shift rows of the example as in a recession, so that the demo has a day that no model was trained on.

Credit is cut, bills grow, payments shrink and come late, and clients who have used up most of their limit default more
often than they did. The numbers are made up: draw no conclusions about people or recessions from them.
Needs numpy and polars only, and imports nothing of the project.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

ROWS = 2_000
SEED = 29

# Which share of the clients is affected, and how much.
CUT_SHARE, CUT_TO = 0.5, 0.6
LIMIT_STEP = 10_000
BILL_GROWTH = 1.35
PAYMENT_LEFT = 0.45
LATE_SHARE = 0.35
LONGEST_DELAY = 8
MONTHS_HIT = 3
# Of those who used up more than this share of their limit, this share defaults in addition.
USED_UP, USED_UP_DEFAULTS = 0.7, 0.4

EXAMPLE = "example: python data/shift_rows.py --rows-of held_out.parquet --out recession.csv"


def shift(rows: pl.DataFrame, seed: int = SEED) -> pl.DataFrame:
    """Return the rows [rows, columns of the data file] shifted as in a recession; the same for the same seed."""
    random = np.random.default_rng(seed)
    cut = random.random(rows.height) < CUT_SHARE
    late = random.random(rows.height) < LATE_SHARE
    more = 1 + random.integers(0, 2, rows.height)
    limit = rows["LIMIT_BAL"].to_numpy()
    steps = np.maximum(np.round(limit * CUT_TO / LIMIT_STEP), 1) * LIMIT_STEP
    shifted = {"LIMIT_BAL": np.where(cut, np.minimum(steps, limit), limit)}
    for month in range(1, MONTHS_HIT + 1):
        bill, paid = rows[f"BILL_AMT{month}"].to_numpy(), rows[f"PAY_AMT{month}"].to_numpy()
        shifted[f"BILL_AMT{month}"] = np.round(np.where(bill > 0, bill * BILL_GROWTH, bill))
        shifted[f"PAY_AMT{month}"] = np.round(paid * PAYMENT_LEFT)
    for name in ("PAY_0", "PAY_2"):
        delay = rows[name].to_numpy()
        shifted[name] = np.where(late, np.minimum(np.maximum(delay, 0) + more, LONGEST_DELAY), delay)
    used_up = shifted["BILL_AMT1"] > USED_UP * shifted["LIMIT_BAL"]
    unlucky = random.random(rows.height) < USED_UP_DEFAULTS
    shifted["default"] = np.where(used_up & unlucky, 1, rows["default"].to_numpy())
    return rows.with_columns(pl.Series(name, values).cast(pl.Int64) for name, values in shifted.items())


def main() -> None:
    """Write shifted rows as CSV."""
    parser = argparse.ArgumentParser(description="Shift rows as in a recession.", epilog=EXAMPLE)
    parser.add_argument("--rows-of", type=Path, required=True, help="CSV or parquet file to sample rows from")
    parser.add_argument(
        "--rows", type=int, default=ROWS, help="number of rows to sample, at most (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=SEED, help="the same seed gives the same bytes")
    parser.add_argument("--out", type=Path, required=True, help="CSV file to write")
    arguments = parser.parse_args()
    source = arguments.rows_of
    rows = pl.read_parquet(source) if source.suffix == ".parquet" else pl.read_csv(source)
    drawn = rows.sample(min(arguments.rows, rows.height), seed=arguments.seed)
    shift(drawn, arguments.seed).write_csv(arguments.out)
    print(f"{arguments.out}: {drawn.height:,} shifted rows")


if __name__ == "__main__":
    main()
