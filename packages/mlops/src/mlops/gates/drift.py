"""How far recent inputs lie from the training distribution, as the population stability index. Pure: no I/O.

PSI = sum over bins of (recent share - training share) * ln(recent share / training share). Values outside the
training range, unknown categories and missing values are bins of their own. Half a row is added to every bin,
so that an empty one neither divides by zero nor hides: a baseline without rows is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops.models.package_documents import Baseline, FeatureBaseline, Histogram, Schema
from mlops.settings.measures import Unmeasurable

_PSEUDO_COUNT = 0.5

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Drift:
    """The stability index of each feature and of the score, over `rows` recent inputs."""

    rows: int
    features: dict[str, float]
    score: float


def measure_drift(
    baseline: Baseline,
    schema: Schema,
    features: npt.NDArray[np.float32],
    probability: npt.NDArray[np.float64],
) -> Drift:
    """Compare recent features [rows, features] and scores [rows] with the baseline. Raises Unmeasurable."""
    values: dict[str, float] = {}
    for name, column in zip(schema.names, features.T, strict=True):
        known = baseline.features.get(name)
        if known is None:
            raise Unmeasurable(f"baseline.json does not know the feature '{name}'")
        values[name] = _feature_drift(name, known, column.astype(np.float64))
    score = stability_index(*_between_edges("probability", baseline.probability, probability))
    return Drift(len(features), values, score)


def stability_index(training: Counts, recent: Counts) -> float:
    """The index of two histograms over the same bins. Raises Unmeasurable when either is empty."""
    if not training.sum() or not recent.sum():
        raise Unmeasurable("a distribution without rows cannot be compared")
    shares = [(counts + _PSEUDO_COUNT) / (counts + _PSEUDO_COUNT).sum() for counts in (training, recent)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def _feature_drift(name: str, known: FeatureBaseline, column: Counts) -> float:
    present = column[np.isfinite(column)]
    if known.categories is not None:
        training, recent = _by_category(name, known.categories, known.counts, present)
    elif known.edges is not None:
        training, recent = _between_edges(name, Histogram(edges=known.edges, counts=known.counts), present)
    else:
        raise Unmeasurable(f"baseline.json has neither edges nor categories for '{name}'")
    absent = len(column) - len(present)
    if known.missing or absent:
        training, recent = np.append(training, known.missing), np.append(recent, absent)
    return stability_index(training, recent)


def _between_edges(name: str, known: Histogram, values: Counts) -> tuple[Counts, Counts]:
    edges = np.array(known.edges)
    if len(known.counts) != len(edges) - 1 or (np.diff(edges) <= 0).any():
        raise Unmeasurable(f"baseline.json has edges and counts for '{name}' that do not fit")
    inside = np.histogram(values, edges)[0]
    recent = np.concatenate([[(values < edges[0]).sum()], inside, [(values > edges[-1]).sum()]])
    return np.array([0, *known.counts, 0], dtype=np.float64), recent.astype(np.float64)


def _by_category(
    name: str, categories: tuple[int, ...], counts: tuple[int, ...], values: Counts
) -> tuple[Counts, Counts]:
    if len(counts) != len(categories):
        raise Unmeasurable(f"baseline.json has categories and counts for '{name}' that do not fit")
    found = [(values == code).sum() for code in categories]
    recent = np.array([*found, len(values) - sum(found)], dtype=np.float64)
    return np.array([*counts, 0], dtype=np.float64), recent
