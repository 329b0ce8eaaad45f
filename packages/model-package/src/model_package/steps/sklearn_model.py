"""A fitted scikit-learn model between two steps, as a skops file: no pickle, no code run on load."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from skops.io import dump, load
from threadpoolctl import threadpool_limits

from model_package.errors import ModelError
from model_package.rows.encoding import Tensors
from model_package.schema import MULTICLASS_CLASSIFICATION, REGRESSION, Schema
from model_package.steps.table_model import TableModel
from model_package.tasks import base_task

MODEL_FILE = "model.skops"
# What the template's model and scikit-learn's boosting and calibration hold beyond what skops trusts by itself.
TRUSTED_TYPES = (
    "model_package.steps.table_model.CategoryMeans",
    "model_package.steps.table_model.Member",
    "model_package.steps.table_model.TableModel",
    "model_package.steps.table_model.TextScores",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
# Below this, two threads gain a tenth on an idle machine and lose tenfold on a busy one: growing a tree
# passes thousands of barriers, and at each a thread without a core keeps the others waiting.
_SMALL_ROWS = 100_000


def save_model(model: BaseEstimator, folder: Path) -> None:
    """Write the fitted model into a folder."""
    dump(model, folder / MODEL_FILE)


def load_model(folder: Path, trusted: Sequence[str] = TRUSTED_TYPES) -> Any:
    """Read the fitted model. Raises skops' UntrustedTypesFoundException for a file with other types.

    For another estimator give its types as well; skops.io.get_untrusted_types lists those of a file.
    """
    return load(folder / MODEL_FILE, trusted=list(trusted))


def fitting_threads(rows: int) -> AbstractContextManager[object]:
    """Limit OpenMP to one thread within a `with` block when there are few rows to fit or score."""
    return threadpool_limits(limits=1 if rows < _SMALL_ROWS else None, user_api="openmp")


def answer(model: Any, rows: Tensors, schema: Schema) -> npt.NDArray[np.float64]:
    """Return a fitted model's answer to rows as the schema's task has it: [rows], or [rows, classes].

    A plain estimator gets the matrix, or the texts [rows] where a schema has one text column and nothing else. A class
    that it was not trained on has the probability 0. Raises ModelError where it cannot read these columns.
    """
    given = rows if isinstance(model, TableModel) else _input_of(rows)
    if base_task(schema) == REGRESSION:
        return np.asarray(model.predict(given), dtype=np.float64).reshape(-1)
    known = np.asarray(model.predict_proba(given), dtype=np.float64)
    places = np.asarray(model.classes_).astype(int)
    found = np.zeros((len(rows), len(schema.classes) if base_task(schema) == MULTICLASS_CLASSIFICATION else 2))
    found[:, places] = known
    return found if base_task(schema) == MULTICLASS_CLASSIFICATION else found[:, 1]


def _input_of(rows: Tensors) -> npt.NDArray[Any]:
    if not rows.texts:
        return rows.features
    if len(rows.texts) > 1 or rows.features.shape[1]:
        raise ModelError("a plain estimator cannot read texts beside other columns; train the template's model on them")
    return rows.texts[0][:, 0]
