"""The training distribution of each feature and of the scores, the baseline for drift. Pure: no I/O."""

from typing import Any

import numpy as np
import numpy.typing as npt

from shared.schema import FORMAT, Feature, Schema

BINS = 20
# Beside those at equal shares: without them the outer bins of a long tail would be as wide as all others together.
TAIL_SHARES = (0.005, 0.995)
SHARES = np.sort(np.append(np.linspace(0, 1, BINS + 1), TAIL_SHARES))
SCORE_EDGES = np.linspace(0.0, 1.0, BINS + 1)

Floats = npt.NDArray[np.float32]


def build_baseline(features: Floats, probability: Floats, schema: Schema) -> dict[str, Any]:
    """Describe features [rows, features] and probabilities [rows].

    A category has counts for each of its codes. A number has counts between edges at its quantiles, where the
    last bin includes its right edge; values outside the edges are beyond all that training saw.
    """
    columns = zip(schema.features, features.T, strict=True)
    return {
        "format": FORMAT,
        "rows": len(features),
        "features": {feature.name: _describe(feature, column) for feature, column in columns},
        "probability": _histogram(probability.astype(np.float64), SCORE_EDGES) | _moments(probability),
    }


def _describe(feature: Feature, column: Floats) -> dict[str, Any]:
    present = column[np.isfinite(column)].astype(np.float64)
    facts: dict[str, Any] = {"missing": int(len(column) - len(present))}
    if feature.categories is not None:
        counts = [int((present == code).sum()) for code in feature.categories]
        facts |= {"kind": "category", "categories": list(feature.categories), "counts": counts}
    else:
        facts |= {"kind": "number"} | _histogram(present, _edges(present))
    return facts | _moments(present)


def _edges(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Edges at quantiles, repeated ones dropped; a constant column gets one bin around it."""
    edges = np.unique(np.quantile(values, SHARES))
    return edges if len(edges) > 1 else np.array([edges[0] - 0.5, edges[0] + 0.5])


def _histogram(values: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> dict[str, Any]:
    return {"edges": edges.tolist(), "counts": np.histogram(values, edges)[0].tolist()}


def _moments(values: npt.NDArray[np.floating[Any]]) -> dict[str, float]:
    return {
        "mean": float(np.mean(values, dtype=np.float64)),
        "std": float(np.std(values, dtype=np.float64)),
        "minimum": float(values.min()),
        "maximum": float(values.max()),
    }
