"""The trained scikit-learn model between two steps, as a skops file: no pickle, no code run on load."""

from pathlib import Path

from sklearn.calibration import CalibratedClassifierCV
from skops.io import dump, load

_FILE = "model.skops"

# What our model holds beyond the types that skops trusts by itself. Loading anything else is refused;
# a fork with another estimator adds its types here (skops.io.get_untrusted_types lists them).
_TRUSTED_TYPES = [
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
]


def save_model(model: CalibratedClassifierCV, folder: Path) -> None:
    """Write the fitted model into a folder."""
    dump(model, folder / _FILE)


def load_model(folder: Path) -> CalibratedClassifierCV:
    """Read the fitted model. Raises skops' UntrustedTypesFoundException for a file with foreign types."""
    return load(folder / _FILE, trusted=_TRUSTED_TYPES)
