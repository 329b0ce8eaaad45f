"""A fitted scikit-learn model between two steps, as a skops file: no pickle, no code run on load."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator
from skops.io import dump, load
from threadpoolctl import threadpool_limits

MODEL_FILE = "model.skops"
# What scikit-learn's boosting and calibration hold beyond the types that skops trusts by itself.
TRUSTED_TYPES = (
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
