"""One trial: reads the tables, trains one learner, measures it as the job asks, and saves the model for MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy as np
import numpy.typing as npt
import pandas as pd
import skops.io
from mlflow.models import infer_signature
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from azureml_emulator.jobs.automl.features import Features, choose_features, prepare
from azureml_emulator.jobs.automl.learners import Choice, unfitted
from azureml_emulator.jobs.automl.scores import classification_scores, mean_scores, regression_scores
from azureml_emulator.jobs.automl.tables import TableError, read_table
from azureml_emulator.jobs.definitions.automl import CLASSIFICATION, TEST, TRAINING, VALIDATION, AutomlSettings

# As documented: so many rows are enough for one validation part, so few want ten folds.
_LARGE_ROWS, _SMALL_ROWS = 20_000, 1_000
_SHARE_OF_LARGE, _FOLDS_OF_SMALL, _FOLDS = 0.1, 10, 3
_EXAMPLE_ROWS = 5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Rows of one part: features, target, and weights where the job names their column."""

    features: pd.DataFrame
    target: npt.NDArray[Any]
    weights: Floats | None

    def __len__(self) -> int:
        return len(self.target)

    def take(self, places: npt.NDArray[np.intp]) -> Rows:
        """Some of the rows."""
        weights = None if self.weights is None else self.weights[places]
        return Rows(self.features.iloc[places], self.target[places], weights)


@dataclass(frozen=True)
class Data:
    """What a job trains on. Without `validation` the training rows are cross-validated, in `folds` parts."""

    features: Features
    train: Rows
    validation: Rows | None
    test: Rows | None
    folds: int

    @property
    def has_missing(self) -> bool:
        """Whether a value is missing in any part."""
        parts = [part for part in (self.train, self.validation, self.test) if part is not None]
        return any(bool(part.features.isna().to_numpy().any()) for part in parts)

    @property
    def shape(self) -> tuple[int, int]:
        """Training rows and columns."""
        return self.train.features.shape


def read_data(settings: AutomlSettings, paths: dict[str, Path], seed: int) -> Data:
    """The parts that a job trains on and is measured with. Raises TableError."""
    tables = {name: _with_target(read_table(path), settings.target, name) for name, path in paths.items()}
    train = tables[TRAINING]
    without = {settings.target, settings.weight}
    purposes = dict(settings.purposes)
    try:
        features = choose_features(train, {name for name in without if name}, purposes, featurize=settings.featurize)
    except ValueError as error:
        raise TableError(str(error)) from error
    parts = {name: _rows(table, features, settings, name) for name, table in tables.items()}
    rows, test = parts[TRAINING], parts.get(TEST)
    if len(rows) < _EXAMPLE_ROWS:
        raise TableError(f"The training data has {len(rows)} rows with a target: AutoML needs more.")
    if test is None and settings.test_size:
        rows, test = _split(rows, settings, settings.test_size, seed)
    validation, share = parts.get(VALIDATION), settings.validation_size
    if validation is None and settings.folds is None and share is None and len(rows) > _LARGE_ROWS:
        share = _SHARE_OF_LARGE
    if validation is None and share:
        rows, validation = _split(rows, settings, share, seed)
    folds = settings.folds or (_FOLDS_OF_SMALL if len(rows) < _SMALL_ROWS else _FOLDS)
    return Data(features, rows, validation, test, folds)


def train(data: Data, choice: Choice, settings: AutomlSettings, seed: int) -> tuple[Pipeline, dict[str, float]]:
    """The model, trained on all training rows, and its metrics; those of the test part begin with `test_`."""
    model = _fitted(data, choice, settings, data.train)
    if data.validation is not None:
        found = _measured(model, data.validation, data.train, settings)
    else:
        found = mean_scores(
            [
                _measured(_fitted(data, choice, settings, fitting), held_out, data.train, settings)
                for fitting, held_out in _folds(data, settings, seed)
            ]
        )
    if data.test is not None:
        measured = _measured(model, data.test, data.train, settings)
        found |= {f"test_{name}": value for name, value in measured.items()}
    return model, found


def save(model: Pipeline, data: Data, folder: Path) -> None:
    """Write a model as MLflow reads it, with the columns that it takes and what it answers."""
    example = data.train.features.head(_EXAMPLE_ROWS)
    mlflow.sklearn.save_model(
        model,
        str(folder),
        signature=infer_signature(example, model.predict(example)),
        serialization_format="skops",
        # The model was made here: what it consists of is what has to be loaded.
        skops_trusted_types=skops.io.get_untrusted_types(data=skops.io.dumps(model)),
        pip_requirements=["mlflow", "pandas", "skops", *_packages(model)],
    )


def _packages(model: Pipeline) -> list[str]:
    used = str(model).lower()
    names = ["scikit-learn", *(name for name in ("lightgbm",) if "lgbm" in used)]
    return [f"{name}=={version(name)}" for name in names] + (["xgboost"] if "xgb" in used else [])


def _with_target(table: pd.DataFrame, target: str, name: str) -> pd.DataFrame:
    if target not in table:
        there = ", ".join(map(str, table.columns[:20]))
        raise TableError(f"The {name} has no column '{target}', which is the target. It has: {there}.")
    return table[table[target].notna()].reset_index(drop=True)


def _rows(table: pd.DataFrame, features: Features, settings: AutomlSettings, name: str) -> Rows:
    absent = sorted(set(features.names) - set(table.columns))
    if absent:
        raise TableError(f"The {name} has no column '{absent[0]}', which the training data has.")
    target = table[settings.target]
    try:
        # Text as plain objects: a model keeps its classes, and is saved without pandas' own types.
        of_task = target.astype("float64") if settings.task != CLASSIFICATION else target
        values = of_task.to_numpy() if of_task.dtype.kind in "biuf" else of_task.astype(str).to_numpy(dtype=object)
        prepared = prepare(table, features)
        weights = table[settings.weight].to_numpy(dtype="float64") if settings.weight else None
    except KeyError as error:
        raise TableError(f"The {name} has no column {error}, which has the weights.") from error
    except ValueError as error:
        raise TableError(f"The {name} cannot be read as numbers: {error}.") from error
    return Rows(prepared, values, weights)


def _split(rows: Rows, settings: AutomlSettings, share: float, seed: int) -> tuple[Rows, Rows]:
    labels = rows.target if settings.task == CLASSIFICATION and _smallest_class(rows.target) > 1 else None
    kept, held_out = train_test_split(np.arange(len(rows)), test_size=share, random_state=seed, stratify=labels)
    return rows.take(kept), rows.take(held_out)


def _folds(data: Data, settings: AutomlSettings, seed: int) -> Iterator[tuple[Rows, Rows]]:
    rows = data.train
    classifies = settings.task == CLASSIFICATION and _smallest_class(rows.target) >= data.folds
    kind = StratifiedKFold if classifies else KFold
    cut = kind(min(data.folds, len(rows)), shuffle=True, random_state=seed)
    for fitting, held_out in cut.split(rows.features, rows.target):
        yield rows.take(fitting), rows.take(held_out)


def _smallest_class(target: npt.NDArray[Any]) -> int:
    return int(np.unique(target, return_counts=True)[1].min())


def _fitted(data: Data, choice: Choice, settings: AutomlSettings, rows: Rows) -> Pipeline:
    model = Pipeline(
        [
            ("features", data.features.transformer(linear=choice.is_linear)),
            ("model", unfitted(choice, settings.task, settings.cores)),
        ]
    )
    given = {} if rows.weights is None else {"model__sample_weight": rows.weights}
    with threadpool_limits(settings.cores):
        return model.fit(rows.features, rows.target, **given)


def _measured(model: Pipeline, rows: Rows, seen: Rows, settings: AutomlSettings) -> dict[str, float]:
    if settings.task != CLASSIFICATION:
        return regression_scores(rows.target, np.asarray(model.predict(rows.features), dtype=float), rows.weights)
    classes = np.unique(np.concatenate([seen.target, rows.target]))
    # A fold may lack a class of which there are few rows.
    answers = np.zeros((len(rows), len(classes)))
    answers[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(rows.features)
    # Some learners answer float32, whose sums are not quite one.
    answers /= answers.sum(axis=1, keepdims=True)
    return classification_scores(rows.target, answers, classes, rows.weights)
