"""Public tables that Python packages ship, and generated ones, as the model's input; without the network.

Needs the packages that benchmarks/default_model.py names.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import sklearn.datasets

from model_package.rows.split import Part, encode_target
from model_package.rows.tables import tensors
from model_package.schema import (
    BINARY_CLASSIFICATION,
    BOOLEAN,
    CATEGORY,
    MULTICLASS_CLASSIFICATION,
    NUMBER,
    REGRESSION,
    TEXT,
    TIMESTAMP,
    Feature,
    Schema,
)

BINARY, MULTICLASS = BINARY_CLASSIFICATION, MULTICLASS_CLASSIFICATION
_ROWS_AT_MOST = 30_000


@dataclass(frozen=True)
class PublicTable:
    """A table with its target; `texts` are the columns of free text, every other text is a category."""

    name: str
    frame: pl.DataFrame
    target: str
    task: str
    texts: tuple[str, ...] = ()

    def encoded(self) -> tuple[Part, Schema]:
        """Return all rows as the steps would read them, and the schema."""
        frame = self.frame.filter(pl.col(self.target).is_not_null())
        features = tuple(self._feature(frame[name]) for name in frame.columns if name != self.target)
        values = [] if self.task == REGRESSION else frame[self.target].unique().sort().to_list()
        schema = Schema(
            "",
            self.target,
            features,
            task=self.task,
            positive=values[-1] if self.task == BINARY else None,
            classes=tuple(values) if self.task == MULTICLASS else (),
        )
        return Part(tensors(frame, schema), encode_target(frame, schema)), schema

    def _feature(self, column: pl.Series) -> Feature:
        name = column.name
        if column.dtype == pl.String and name not in self.texts:
            found = tuple(column.drop_nulls().unique().sort().to_list())
            return Feature(name, CATEGORY, categories=found, nullable=True)
        kinds = {pl.String: TEXT, pl.Boolean: BOOLEAN, pl.Datetime: TIMESTAMP, pl.Date: TIMESTAMP}
        return Feature(name, kinds.get(type(column.dtype), NUMBER), nullable=True)


def public_tables() -> Iterator[PublicTable]:
    """Yield all tables."""
    yield from _bundled()
    yield from _r_tables()
    yield from _others()
    yield from _generated()


def _bundled() -> Iterator[PublicTable]:
    loaders = {
        "iris": (sklearn.datasets.load_iris, MULTICLASS),
        "wine": (sklearn.datasets.load_wine, MULTICLASS),
        "breast cancer": (sklearn.datasets.load_breast_cancer, BINARY),
        "diabetes": (sklearn.datasets.load_diabetes, REGRESSION),
        "digits": (sklearn.datasets.load_digits, MULTICLASS),
    }
    for name, (load, task) in loaders.items():
        rows, target = load(return_X_y=True)
        frame = pl.DataFrame(rows, schema=[f"x{at}" for at in range(rows.shape[1])])
        yield PublicTable(name, frame.with_columns(target=pl.Series(target)), "target", task)


# Of the package pydataset: file, target, task, columns that say the target, columns of free text.
_R_TABLES: tuple[tuple[str, str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("ggplot2/diamonds", "price", REGRESSION, (), ()),
    ("ggplot2/movies", "rating", REGRESSION, tuple(f"r{at}" for at in range(1, 11)), ("title",)),
    ("Ecdat/Computers", "price", REGRESSION, (), ()),
    ("Ecdat/Star", "tmathssk", REGRESSION, (), ()),
    ("Ecdat/BudgetFood", "wfood", REGRESSION, (), ()),
    ("Ecdat/PSID", "earnings", REGRESSION, ("intnum", "persnum"), ()),
    ("Ecdat/Hedonic", "mv", REGRESSION, (), ()),
    ("car/SLID", "wages", REGRESSION, (), ()),
    ("robustbase/NOxEmissions", "LNOx", REGRESSION, (), ()),
    ("HSAUR/Forbes2000", "marketvalue", REGRESSION, ("rank",), ("name",)),
    ("Ecdat/HI", "hhi", BINARY, ("hhi2",), ()),
    ("Ecdat/Hdma", "deny", BINARY, (), ()),
    ("Ecdat/Treatment", "treat", BINARY, (), ()),
    ("survival/flchain", "death", BINARY, ("futime", "chapter"), ()),
    ("lme4/VerbAgg", "r2", BINARY, ("resp", "id"), ()),
    ("MASS/Aids2", "status", BINARY, ("death",), ()),
    ("car/Chile", "vote", MULTICLASS, (), ()),
    ("Ecdat/Fishing", "mode", MULTICLASS, ("price", "catch"), ()),
    ("Ecdat/Males", "occupation", MULTICLASS, ("nr",), ()),
    ("Ecdat/Yogurt", "choice", MULTICLASS, ("id",), ()),
    ("car/Vocab", "vocabulary", REGRESSION, (), ()),
)


def _r_tables() -> Iterator[PublicTable]:
    with tarfile.open(fileobj=io.BytesIO(_data_of("pydataset", "resources.tar.gz"))) as packed:
        for path, target, task, left_out, texts in _R_TABLES:
            member = packed.extractfile(f"resources/rdata/csv/{path}.csv")
            if member is None:
                raise FileNotFoundError(path)
            frame = pl.read_csv(io.BytesIO(member.read()), infer_schema_length=None, null_values=["NA", ""])
            # The first column numbers the rows.
            frame = frame.drop(frame.columns[0], *left_out)
            yield PublicTable(path.split("/")[1], _sampled(frame), target, task, texts)


def _sampled(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sample(_ROWS_AT_MOST, seed=1) if frame.height > _ROWS_AT_MOST else frame


def _others() -> Iterator[PublicTable]:
    penguins = pl.read_csv(_data_of("palmerpenguins", "data/penguins.csv"), null_values="NA")
    yield PublicTable("penguins", penguins, "species", MULTICLASS)
    cars = pl.read_json(_data_of("vega_datasets", "_data/cars.json")).with_columns(pl.col("Year").str.to_date())
    yield PublicTable("cars", cars, "Miles_per_Gallon", REGRESSION, ("Name",))
    weather = pl.read_csv(_data_of("vega_datasets", "_data/seattle-weather.csv"))
    weather = weather.with_columns(pl.col("date").str.to_date(r"%Y/%m/%d", strict=False))
    yield PublicTable("seattle weather", weather, "weather", MULTICLASS)
    affairs = pl.read_csv(_data_of("statsmodels", "datasets/fair/fair.csv"))
    yield PublicTable("affairs", affairs, "affairs", REGRESSION)


def _data_of(package: str, path: str) -> bytes:
    """Read a file of an installed package without importing it: some packages do more on import than they should."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed; benchmarks/default_model.py says how to start it")
    return (Path(found.origin).parent / path).read_bytes()


def _generated() -> Iterator[PublicTable]:
    random = np.random.default_rng(11)
    rows = 6_000
    numbers = random.normal(size=(rows, 8))
    many = random.integers(0, 2_000, rows)
    effect = random.normal(size=2_000)
    base = pl.DataFrame(numbers, schema=[f"x{at}" for at in range(8)])
    codes = base.with_columns(code=pl.Series([f"c{each:04}" for each in many]))
    score = numbers[:, 0] * numbers[:, 1] + np.sin(numbers[:, 2]) + effect[many]
    yield PublicTable("2,000 categories", codes.with_columns(y=pl.Series(score)), "y", REGRESSION)
    wide = numbers @ random.normal(size=(8, 30)) + random.gumbel(size=(rows, 30)) * 2
    labels = pl.Series([f"k{each:02}" for each in wide.argmax(axis=1)])
    yield PublicTable("30 classes", base.with_columns(y=labels), "y", MULTICLASS)
    millions = 5e8 + 1e8 * (numbers[:, 0] + np.abs(numbers[:, 3]) + random.normal(size=rows))
    yield PublicTable("millions", base.with_columns(y=pl.Series(millions)), "y", REGRESSION)
    words = np.array([f"word{at}" for at in range(300)])
    chosen = random.integers(0, 300, (rows, 12))
    logit = random.normal(size=300)[chosen].sum(axis=1) / 2 + numbers[:, 0]
    texts = pl.Series([" ".join(words[each]) for each in chosen])
    outcome = pl.Series((logit + random.logistic(size=rows) > 0).astype(int))
    yield PublicTable("texts", base.with_columns(note=texts, y=outcome), "y", BINARY, ("note",))
