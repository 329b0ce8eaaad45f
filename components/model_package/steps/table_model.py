"""The template's own model of a table: gradient boosting on the matrix and a linear model of each text, added up.

Their raw scores are weighted and added, never fed to each other: a sum is continuous, so that rounding to float32 in
the graph changes an answer in its last digits only. The weights are the calibration. Boosting reads the codes of the
categories and, of columns with many, the mean target of each category, which training learnt and a table holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer

from model_package.rows.encoding import ModelInput, Texts, as_tensors

Boosting: TypeAlias = HistGradientBoostingClassifier | HistGradientBoostingRegressor
Doubles: TypeAlias = npt.NDArray[np.float64]
Floats: TypeAlias = npt.NDArray[np.float32]

# A word is a run of letters, digits and other characters beyond ASCII. Written without classes such as \\w, which mean
# something else to the graph.
WORDS = r"[^\x01-/:-@\[-^`{-\x7f]+"
_SMALL = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


@dataclass
class TextScores:
    """A linear model of the words of one text column: raw scores [rows, scores] of its texts [rows, 1]."""

    words: TfidfVectorizer
    coefficients: Doubles

    def scores(self, texts: Texts) -> Doubles:
        """Return the raw scores [rows, scores]; a text without a known word has 0."""
        return np.asarray(self.words.transform(lowered(texts[:, 0])) @ self.coefficients, dtype=np.float64)


@dataclass
class CategoryMeans:
    """What training learnt of columns of many categories: the mean target of each, in standard deviations from all.

    `columns` are their places in the matrix, once per class where there are more than two. `values` [codes + 1] of each
    go by the code; the last is for what is missing. A category that training lacked has the mean of all rows, 0.
    """

    columns: tuple[int, ...] = ()
    values: tuple[Floats, ...] = ()

    def appended(self, features: Floats) -> Floats:
        """Return the matrix [rows, columns] with one more column per mean."""
        if not self.columns:
            return features
        found = []
        for column, values in zip(self.columns, self.values, strict=True):
            codes = features[:, column]
            found.append(values[np.where(np.isnan(codes), len(values) - 1, codes).astype(np.int64)])
        return np.column_stack([features, *found])


@dataclass
class Member:
    """Boosting, and the means of categories that it reads beside the matrix."""

    boosting: Boosting
    means: CategoryMeans = field(default_factory=CategoryMeans)

    def scores(self, features: Floats) -> Doubles:
        """Return the raw scores [rows, scores]."""
        return boosted_scores(self.boosting, self.means.appended(features))


@dataclass
class TableModel(BaseEstimator):
    """The weighted sum of all raw scores, and what follows from it: probabilities of a classification, or a number.

    `classes_` are the places of the classes that training held, empty for a regression. There is one score, or one per
    class where there are more than two. Several members are boosted alike and averaged; a text may say nothing (None).
    """

    classes_: npt.NDArray[np.int64]
    members: tuple[Member, ...]
    texts: tuple[TextScores | None, ...] = ()
    # One for all members, then one per text.
    weights: Doubles = field(default_factory=lambda: np.ones(1))
    intercepts: Doubles = field(default_factory=lambda: np.zeros(1))

    def raw_scores(self, rows: ModelInput) -> Doubles:
        """Return the weighted sum [rows, scores]."""
        parts = part_scores(self.members, self.texts, rows, len(self.intercepts))
        return np.tensordot(self.weights, parts, axes=1) + self.intercepts

    def predict_proba(self, rows: ModelInput) -> Doubles:
        """Return the probability of each of `classes_` [rows, classes]."""
        return class_probabilities(self.raw_scores(rows), len(self.classes_))

    def predict(self, rows: ModelInput) -> Doubles:
        """Return the number [rows] of a regression."""
        return self.raw_scores(rows)[:, 0]


def class_probabilities(scores: Doubles, classes: int) -> Doubles:
    """Return the probabilities [rows, classes] of raw scores [rows, scores]."""
    if classes == 1:
        return np.ones((len(scores), 1))
    if classes == 2:
        positive = expit(scores[:, 0])
        return np.stack([1 - positive, positive], axis=1)
    return softmax(scores, axis=1)


def part_scores(members: Sequence[Member], texts: Sequence[TextScores | None], rows: ModelInput, width: int) -> Doubles:
    """Return the raw scores of boosting, 0 without members, and of each text: [1 + texts, rows, width]."""
    tensors = as_tensors(rows)
    found = np.zeros((1 + len(texts), len(tensors), width))
    if members:
        found[0] = np.mean([each.scores(tensors.features) for each in members], axis=0)
    for at, (text, column) in enumerate(zip(texts, tensors.texts, strict=True), start=1):
        if text is not None:
            found[at] = text.scores(column)
    return found


def lowered(texts: npt.NDArray[Any]) -> list[str]:
    """Return texts with ASCII letters in lower case, which is all that the graph can lower in any locale."""
    return [text.translate(_SMALL) for text in texts]


def boosted_scores(model: Any, features: Floats) -> Doubles:
    """Return the raw scores of boosting [rows, scores]."""
    found = model.predict(features) if isinstance(model, HistGradientBoostingRegressor) else None
    return np.asarray(model.decision_function(features) if found is None else found).reshape(len(features), -1)
