"""Typical rows, drawn from the training distribution that a package states feature by feature. Pure: no I/O.

A package keeps no rows, only how often each value of each feature was there; so features are drawn independently of
each other. Values that were missing in training are left out: no request can lack one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlops.gates.package_documents import Baseline, Feature, FeatureBaseline, Schema
from mlops.judging.measures import Unmeasurable

Floats = npt.NDArray[np.float64]


def draw_background(schema: Schema, baseline: Baseline, count: int, random: np.random.Generator) -> Floats:
    """Rows [count, features] in the schema's order; each feature's values are spread evenly over its distribution.

    Raises Unmeasurable when the baseline does not know a feature.
    """
    return np.column_stack([_draw(feature, baseline, _spread(count, random)) for feature in schema.features])


def _spread(count: int, random: np.random.Generator) -> Floats:
    """One number from each of `count` equal parts of 0 to 1, in random order."""
    return (random.permutation(count) + random.random(count)) / count


def _draw(feature: Feature, baseline: Baseline, shares: Floats) -> Floats:
    known = baseline.features.get(feature.name)
    if known is None or not sum(known.counts):
        raise Unmeasurable(f"the package's baseline knows no values of '{feature.name}'")
    reached = np.cumsum(known.counts) / sum(known.counts)
    if known.categories is not None:
        return _codes(feature, known)[np.searchsorted(reached, shares, side="right")]
    if known.edges is None or len(known.edges) != len(known.counts) + 1:
        raise Unmeasurable(f"the package's baseline has no edges that fit the counts of '{feature.name}'")
    values = np.interp(shares, np.concatenate([[0.0], reached]), known.edges)
    return np.rint(values) if feature.type == "integer" else values


def _codes(feature: Feature, known: FeatureBaseline) -> Floats:
    codes = np.array(known.categories, dtype=np.float64)
    if len(codes) != len(known.counts):
        raise Unmeasurable(f"the package's baseline has not as many codes as counts of '{feature.name}'")
    return codes
