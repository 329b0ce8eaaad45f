"""baseline.json: how features and predictions were distributed in training, which live data are compared with. Pure."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from model_package.documents import Fields
from model_package.rows.encoding import ModelInput, decode
from model_package.schema import CATEGORY, NUMBER, TEXT, TIMESTAMP, Feature, Schema
from model_package.statistics.histograms import Counted, Counts, Values, count_between, count_categories
from model_package.tasks import TASKS, Task, known_tasks, task_of

FORMAT = 1
BINS = 20
# Beside edges at equal shares: without these the outer bins of a long tail would be as wide as all others together.
TAIL_SHARES = (0.005, 0.995)
SHARES = np.sort(np.append(np.linspace(0, 1, BINS + 1), TAIL_SHARES))
# Bins of a model that has no baseline.
_EVEN_EDGES = np.linspace(0.0, 1.0, BINS + 1)
_FIRST_REPRESENTED = next(iter(TASKS.values())).represented_as


@dataclass(frozen=True, slots=True)
class Distribution:
    """A column in training: counts between `edges` (the last bin includes its right edge), or of `categories`.

    What is counted are the values of rows.cells: a text's length, a timestamp's days since 2000-01-01. `categories` are
    codes; `labels` say what a caller writes for them, where that is something else. `other` counts values beyond them.
    """

    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    categories: tuple[float, ...] = ()
    missing: int = 0
    mean: float = 0.0
    std: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0
    kind: str = NUMBER
    labels: tuple[str, ...] = ()
    other: int = 0

    def count(self, values: Values) -> Counted:
        """Count values [rows] in the same bins, with those that training never saw in bins of their own."""
        return count_categories(values, self.categories) if self.categories else count_between(values, self.edges)

    def compared(self, counted: Counted) -> tuple[Counts, Counts]:
        """Return training's and the counted values' histograms over the same bins, missing values as a bin."""
        inner = np.asarray(self.counts, dtype=np.float64)
        training = np.append(inner, float(self.other)) if self.categories else np.concatenate([[0.0], inner, [0.0]])
        if not self.missing and not counted.missing:
            return training, counted.counts
        return np.append(training, self.missing), np.append(counted.counts, counted.missing)

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read an entry of baseline.json. Raises PackageError when bins and counts do not fit."""
        by_category = "categories" in document
        found = cls(
            counts=document.counts("counts"),
            edges=() if by_category else document.numbers("edges"),
            categories=document.numbers("categories") if by_category else (),
            missing=document.count("missing", 0),
            mean=document.number("mean"),
            std=document.number("std"),
            minimum=document.number("minimum"),
            maximum=document.number("maximum"),
            kind=document.text("kind", NUMBER),
            labels=document.texts("labels") if "labels" in document else (),
            other=document.count("other", 0),
        )
        bins = len(found.categories) if by_category else len(found.edges) - 1
        if len(found.counts) != bins or any(left >= right for left, right in pairwise(found.edges)):
            raise document.wrong("counts", "do not fit the bins beside them")
        return found

    def as_document(self) -> dict[str, Any]:
        """Return the entry of baseline.json."""
        bins: dict[str, Any] = {"kind": self.kind, "edges": list(self.edges)}
        if self.categories:
            bins = {"kind": self.kind, "categories": list(self.categories)}
        if self.labels:
            bins["labels"] = list(self.labels)
        if self.other:
            bins["other"] = self.other
        moments = {"mean": self.mean, "std": self.std, "minimum": self.minimum, "maximum": self.maximum}
        return {"missing": self.missing, **bins, "counts": list(self.counts), **moments}


@dataclass(frozen=True, slots=True)
class Baseline:
    """The distribution of every feature and of the predictions, over `rows` of training.

    `represented_as` says what the task counts of a prediction: its number, or its label.
    """

    rows: int
    features: dict[str, Distribution]
    predictions: Distribution
    represented_as: str = _FIRST_REPRESENTED

    @classmethod
    def build(cls, schema: Schema, rows: ModelInput, answer: Values) -> Self:
        """Describe the model's input on the training rows, and its answer to them.

        A category and a boolean have counts for each of their codes. A number, a timestamp and the length of a text
        have counts between edges at their quantiles.
        """
        columns = zip(schema.features, decode(rows, schema).astype(np.float32).T, strict=True)
        return cls(
            rows=len(rows),
            features={feature.name: _describe(feature, column) for feature, column in columns},
            predictions=_predictions(task_of(schema), answer.astype(np.float64)),
            represented_as=task_of(schema).represented_as,
        )

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read the content of baseline.json. Raises PackageError."""
        features = {name: Distribution.parse(each) for name, each in document.entries("features").items()}
        keys = [each.represented_as for each in known_tasks().values()]
        key = next((each for each in keys if each in document), _FIRST_REPRESENTED)
        return cls(document.count("rows"), features, Distribution.parse(document.object(key)), key)

    def as_document(self) -> dict[str, Any]:
        """Return the content of baseline.json."""
        features = {name: each.as_document() for name, each in self.features.items()}
        predictions = {self.represented_as: self.predictions.as_document()}
        return {"format": FORMAT, "rows": self.rows, "features": features, **predictions}


class PredictionBins:
    """Bins that an endpoint counts its predictions in: the baseline's, so that both compare.

    `shares` are those of training, empty without a baseline. `classes` name the categories of a task that has them.
    """

    def __init__(self, baseline: Baseline | None = None, classes: tuple[str, ...] = ()) -> None:
        counts = () if baseline is None else baseline.predictions.counts
        edges = tuple(_EVEN_EDGES.tolist()) if baseline is None else baseline.predictions.edges
        self.names = classes or _names(edges)
        total = sum(counts)
        self.shares = tuple(count / total for count in counts) if total else ()
        self._inner = tuple(range(1, len(classes))) if classes else edges[1:-1]
        self._inner_array = np.array(self._inner)

    def count(self, predictions: Values) -> Iterable[tuple[int, int]]:
        """Return how many of the predictions [rows] fall into which bin: (index of the bin, rows)."""
        if len(predictions) == 1:
            # What most requests have, and a tenth of the time that arrays take for it.
            return ((bisect_right(self._inner, float(predictions[0])), 1),)
        counts = np.bincount(np.searchsorted(self._inner_array, predictions, side="right"), minlength=1)
        return ((index, int(rows)) for index, rows in enumerate(counts) if rows)


def _names(edges: tuple[float, ...]) -> tuple[str, ...]:
    """Return the name of each bin; with more digits where two decimals do not tell them apart."""
    names = tuple(f"{left:.2f}-{right:.2f}" for left, right in pairwise(edges))
    return names if len(set(names)) == len(names) else tuple(f"{left!r}-{right!r}" for left, right in pairwise(edges))


def _predictions(task: Task, answer: npt.NDArray[np.float64]) -> Distribution:
    values = task.represent(answer).astype(np.float64)
    if categories := task.prediction_classes:
        counts = tuple(int((values == category).sum()) for category in categories)
        return _with_moments(Distribution(counts, categories=categories), values)
    edges = task.prediction_edges
    return _histogram(values, _edges(values) if edges is None else np.array(edges), missing=0)


def _describe(feature: Feature, column: npt.NDArray[np.float32]) -> Distribution:
    present = column[np.isfinite(column)].astype(np.float64)
    missing = len(column) - len(present)
    if feature.codes is None:
        kind = feature.type if feature.type in (TIMESTAMP, TEXT) else NUMBER
        return replace(_histogram(present, _edges(present), missing), kind=kind)
    listed = feature.codes[: len(feature.labels)] if feature.is_open else feature.codes
    counts = tuple(count_categories(present, listed).counts.astype(int).tolist())
    other = counts[-1] if feature.is_open else 0
    found = Distribution(counts[:-1], (), listed, missing, kind=CATEGORY, labels=feature.labels, other=other)
    return _with_moments(found, present)


def _histogram(values: npt.NDArray[np.float64], edges: npt.NDArray[np.float64], missing: int) -> Distribution:
    counts = np.histogram(values, edges)[0]
    return _with_moments(Distribution(tuple(counts.tolist()), tuple(edges.tolist()), missing=missing), values)


def _edges(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return edges at quantiles, repeated ones dropped; a constant column gets one bin around it, an empty one any.

    Of few different values each has a bin: between quantiles the two largest, such as 0 and 1, would share one.
    """
    if not len(values):
        return np.array([0.0, 1.0])
    different = np.unique(values)
    if 1 < len(different) <= BINS:
        return np.concatenate([different[:1], (different[1:] + different[:-1]) / 2, different[-1:]])
    edges = np.unique(np.quantile(values, SHARES))
    return edges if len(edges) > 1 else np.array([edges[0] - 0.5, edges[0] + 0.5])


def _with_moments(found: Distribution, values: npt.NDArray[np.float64]) -> Distribution:
    if not len(values):
        return found
    mean, std = float(values.mean()), float(values.std())
    return replace(found, mean=mean, std=std, minimum=float(values.min()), maximum=float(values.max()))
