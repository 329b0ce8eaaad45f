"""The population stability index (PSI) of two histograms over the same bins. Pure: no I/O.

PSI = sum over bins of (share now - share in training) * ln(share now / share in training). Half a row is added to
every bin, so that an empty one neither divides by zero nor hides.
"""

import numpy as np
import numpy.typing as npt

from model_package.errors import MeasurementError

_PSEUDO_COUNT = 0.5

Counts = npt.NDArray[np.float64]


def population_stability_index(training: Counts, recent: Counts) -> float:
    """Return the PSI of two counts [bins]. Raises MeasurementError when either is empty."""
    if not training.sum() or not recent.sum():
        raise MeasurementError("a distribution without rows cannot be compared")
    old, new = ((counts + _PSEUDO_COUNT) / (counts + _PSEUDO_COUNT).sum() for counts in (training, recent))
    return float(((new - old) * np.log(new / old)).sum())
