"""Measures the default model on public tables against scikit-learn's boosting: held-out log loss or RMSE, three seeds.

The peer is HistGradientBoosting with its defaults, on category codes or on native categories, with or without early
stopping: whichever of the four loses least on the test rows, which is more than a user could choose. Beside it stands
the better encoding with the defaults alone. Both sides train on the same three quarters of the rows.

Every table of harness/public_tables.py is measured; none is left out for its result. Small ones have few test rows, so
the standard error of a ratio is paired by row and may be larger than the limit: a table counts as worse than the peer
where its ratio is above the limit by more than one standard error. The mean of all tables has no such allowance.

The packages ship the data; nothing is downloaded while it runs. It takes some 25 minutes of one processor; tables in
the file of `--results` are not measured again, so that it can be run in slices:

    uv run --with pydataset --with vega_datasets --with palmerpenguins --with statsmodels \\
        python benchmarks/default_model.py --results default-model.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

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
# scikit-learn's native categories have no more codes, and its default stops early from so many rows.
_MOST_NATIVE, _STOPPING_ROWS = 255, 10_000
_SMALLEST = 1e-15

Rows = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ratio:
    """Our loss relative to a peer's, lower is better, with its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Compared:
    """A table's losses over all seeds, and the processor seconds of one training of ours."""

    name: str
    rows: int
    columns: int
    task: str
    ours: float
    peer: float
    best: Ratio
    default: Ratio
    seconds: float

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Self:
        """Read an entry of the file of results."""
        ratios: dict[str, Any] = {name: Ratio(**document[name]) for name in ("best", "default")}
        return cls(**(document | ratios))

    @property
    def figure(self) -> Figure:
        """The ratio to the best peer, and the limit that it is held to."""
        note = (
            f"± {self.best.error:.3f}; {self.ours:.4g} against {self.peer:.4g}; to the defaults "
            f"{self.default.value:.3f} ± {self.default.error:.3f}; {self.rows:,} rows, {self.seconds:.1f} s"
        )
        return Figure(self.name, self.best.value, "x", round(WORST + self.best.error, 3), note=note)

    @property
    def line(self) -> str:
        """The row of a Markdown table."""
        ratios = " | ".join(f"{each.value:.3f} ± {each.error:.3f}" for each in (self.best, self.default))
        task = self.task.removesuffix("_classification")
        losses = f"{self.ours:.4g} | {self.peer:.4g}"
        return f"| {self.name} | {self.rows:,} | {self.columns} | {task} | {losses} | {ratios} | {self.seconds:.1f} |"


def main() -> int:
    """Measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--markdown", action="store_true", help="print the table of docs/default-model.md")
    parser.add_argument("--tables", nargs="*", help="only those of these names")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="default: %(default)s")
    parser.add_argument("--results", type=Path, help="a JSON file that keeps what was measured")
    arguments = parser.parse_args()
    chosen = [each for each in public_tables() if not arguments.tables or each.name in arguments.tables]
    found = measure(chosen, arguments.seeds, arguments.results)
    if arguments.markdown:
        print("\n".join(each.line for each in found))
    figures = [each.figure for each in found]
    if not arguments.tables:
        best, default = ([getattr(each, kind).value for each in found] for kind in ("best", "default"))
        figures.append(Figure(f"mean of {len(found)} tables", float(np.mean(best)), "x", MEAN))
        figures.append(Figure("the same, to the defaults", float(np.mean(default)), "x", MEAN))
    return report("The default model, relative to scikit-learn's boosting", figures, as_json=arguments.json)


def measure(tables: Iterable[PublicTable], seeds: int, results: Path | None) -> list[Compared]:
    """Compare table by table; those in the file of results are taken from it, the others are added."""
    known = json.loads(results.read_text()) if results and results.exists() else {}
    found = []
    for table in tables:
        if table.name in known:
            found.append(Compared.parse(known[table.name]))
            continue
        with fitting_threads(table.frame.height):
            found.append(compare(table, seeds))
        known[table.name] = asdict(found[-1])
        if results:
            results.write_text(json.dumps(known, indent=2))
    return found


def compare(table: PublicTable, seeds: int) -> Compared:
    """Train both on the same rows of a table, and compare what they lose on the others."""
    part, schema = table.encoded()
    tested, ours, peers, seconds = [], [], [], 0.0
    for seed in range(seeds):
        strata = None if schema.task == REGRESSION else part.target
        rows, test = train_test_split(
            np.arange(len(part.target)), test_size=TEST_SHARE, random_state=seed, stratify=strata
        )
        train, validation = train_test_split(rows, test_size=VALIDATION_SHARE, random_state=seed)
        before = time.process_time()
        model = fit(_some(part, train), _some(part, validation), schema, Tuning()).model
        seconds += time.process_time() - before
        held_out = _some(part, test)
        tested.append(test)
        ours.append(losses(model, held_out, schema))
        peers.append([losses(each, held_out, schema) for each in peer_models(_some(part, rows), schema, seed)])
    return compared(table, np.concatenate(tested), np.concatenate(ours), np.hstack(peers), seconds / seeds)


def compared(table: PublicTable, tested: Rows, ours: Doubles, peers: Doubles, seconds: float) -> Compared:
    """Compare the losses of tested rows [rows of all seeds] with those of peers [peers, rows of all seeds]."""
    rooted = table.task == REGRESSION
    # Of each encoding the second has no early stopping.
    means, stops = peers.mean(axis=1), table.frame.height * (1 - TEST_SHARE) > _STOPPING_ROWS
    defaults = np.arange(0 if stops else 1, len(peers), 2)
    best, default = int(means.argmin()), int(defaults[means[defaults].argmin()])
    return Compared(
        name=table.name,
        rows=table.frame.height,
        columns=table.frame.width - 1,
        task=table.task,
        ours=_mean(ours, rooted=rooted),
        peer=_mean(peers[best], rooted=rooted),
        best=_ratio(ours, peers[best], tested, rooted=rooted),
        default=_ratio(ours, peers[default], tested, rooted=rooted),
        seconds=seconds,
    )


def _mean(found: Doubles, *, rooted: bool) -> float:
    return float(np.sqrt(found.mean()) if rooted else found.mean())


def _ratio(ours: Doubles, peer: Doubles, tested: Rows, *, rooted: bool) -> Ratio:
    """Return the ratio of two mean losses, or of their roots; a row that several seeds tested counts as one."""
    ratio = float(ours.mean() / peer.mean())
    beyond = np.bincount(tested, (ours - ratio * peer) / peer.mean())
    error = float(np.sqrt((beyond**2).sum())) / len(tested)
    return Ratio(ratio**0.5, error / 2 / ratio**0.5) if rooted else Ratio(ratio, error)


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


def losses(model: object, rows: Part, schema: Schema) -> Doubles:
    """Return the squared error, or the log loss, of each row; a peer reads no texts."""
    reads_texts = not isinstance(model, HistGradientBoostingClassifier | HistGradientBoostingRegressor)
    found = answer(model, rows.rows if reads_texts else Tensors(rows.features), schema)
    if schema.task == REGRESSION:
        return (found - rows.target) ** 2
    if schema.task == MULTICLASS_CLASSIFICATION:
        own = found[np.arange(len(rows.target)), rows.target]
    else:
        own = np.where(rows.target == 1, found, 1 - found)
    return -np.log(np.maximum(own, _SMALLEST))


def _some(part: Part, rows: Rows) -> Part:
    return Part(part.rows[rows], part.target[rows])


if __name__ == "__main__":
    sys.exit(main())
