"""Measures the default model on public tables against scikit-learn's boosting: held-out log loss or RMSE, three seeds.

The peer is HistGradientBoosting with its defaults, on category codes or on native categories, with or without early
stopping: whichever of the four is best on a table. Both train on the same three quarters of the rows. The packages
ship the data; nothing is downloaded while it runs:

    uv run --with pydataset --with vega_datasets --with palmerpenguins --with statsmodels \\
        python benchmarks/default_model.py
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from harness.figures import Figure, report
from harness.public_tables import PublicTable, public_tables
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split

from model_package.rows.encoding import Tensors
from model_package.rows.split import Part
from model_package.schema import BOOLEAN, CATEGORY, MULTICLASS_CLASSIFICATION, REGRESSION, Schema
from model_package.steps.sklearn_model import answer, fitting_threads

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "components" / "train_model"))

from train_model import Tuning, fit

SEEDS, TEST_SHARE, VALIDATION_SHARE = 3, 0.25, 0.2
MEAN, WORST = 1.01, 1.03
# scikit-learn's native categories have no more codes.
_MOST_NATIVE = 255
_SMALLEST = 1e-15

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Compared:
    """A table's losses, means of the seeds, and the seconds of one training of ours."""

    name: str
    ours: float
    peer: float
    seconds: float

    @property
    def ratio(self) -> float:
        """Ours relative to the peer; lower is better."""
        return self.ours / self.peer


def main() -> int:
    """Measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--tables", nargs="*", help="only those of these names")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="default: %(default)s")
    arguments = parser.parse_args()
    chosen = [each for each in public_tables() if not arguments.tables or each.name in arguments.tables]
    figures = measure(chosen, arguments.seeds)
    return report("The default model, relative to scikit-learn's boosting", figures, as_json=arguments.json)


def measure(tables: Iterable[PublicTable], seeds: int) -> list[Figure]:
    """Compare table by table, then on their mean."""
    found, figures = [], []
    for table in tables:
        with fitting_threads(table.frame.height):
            each = compare(table, seeds)
        found.append(each)
        note = f"{each.ours:.4g} against {each.peer:.4g}; {table.frame.height:,} rows, {each.seconds:.1f} s"
        figures.append(Figure(each.name, each.ratio, "x", WORST, note=note))
    mean = float(np.mean([each.ratio for each in found]))
    return [*figures, Figure(f"mean of {len(found)} tables", mean, "x", MEAN)]


def compare(table: PublicTable, seeds: int) -> Compared:
    """Train both on the same rows of a table, and compare what they lose on the others."""
    part, schema = table.encoded()
    ours, peers, started = [], [], 0.0
    for seed in range(seeds):
        strata = None if schema.task == REGRESSION else part.target
        rows, test = train_test_split(
            np.arange(len(part.target)), test_size=TEST_SHARE, random_state=seed, stratify=strata
        )
        train, validation = train_test_split(rows, test_size=VALIDATION_SHARE, random_state=seed)
        before = time.perf_counter()
        model = fit(_some(part, train), _some(part, validation), schema, Tuning()).model
        started += time.perf_counter() - before
        held_out = _some(part, test)
        ours.append(loss(model, held_out, schema))
        peers.append([loss(each, held_out, schema) for each in peer_models(_some(part, rows), schema, seed)])
    return Compared(table.name, float(np.mean(ours)), float(np.mean(peers, axis=0).min()), started / seeds)


def peer_models(train: Part, schema: Schema, seed: int) -> Iterable[object]:
    """Yield scikit-learn's boosting, fitted: on codes, then natively where there are categories."""
    kind = HistGradientBoostingRegressor if schema.task == REGRESSION else HistGradientBoostingClassifier
    native = [
        schema.matrix_columns.index(each.name)
        for each in schema.features
        if each.type in (CATEGORY, BOOLEAN) and len(each.codes or ()) <= _MOST_NATIVE
    ]
    for categories in (None, native) if native else (None,):
        for stops in (True, False):
            model = kind(categorical_features=categories, early_stopping=stops, random_state=seed)
            yield model.fit(train.features, train.target)


def loss(model: object, rows: Part, schema: Schema) -> float:
    """Return the root of the mean squared error, or the log loss; a peer reads no texts."""
    reads_texts = not isinstance(model, HistGradientBoostingClassifier | HistGradientBoostingRegressor)
    found = answer(model, rows.rows if reads_texts else Tensors(rows.features), schema)
    if schema.task == REGRESSION:
        return float(np.sqrt(np.mean((found - rows.target) ** 2)))
    if schema.task == MULTICLASS_CLASSIFICATION:
        own = found[np.arange(len(rows.target)), rows.target]
    else:
        own = np.where(rows.target == 1, found, 1 - found)
    return float(-np.log(np.maximum(own, _SMALLEST)).mean())


def _some(part: Part, rows: Rows) -> Part:
    return Part(part.rows[rows], part.target[rows])


if __name__ == "__main__":
    sys.exit(main())
