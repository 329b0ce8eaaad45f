"""Gradient boosting whose size fits the table: settings and number of trees that do best on rows they did not see.

A table of few rows is cross-validated, and the members fitted to its folds are averaged: what is chosen, and what is
calibrated, rests on all rows. Of a larger table, or one split by time, the validation part decides, and one model is
then fitted to all rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from model_package.steps.table_model import Boosting, Doubles, boosted_scores

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
# The rows that fit, and those that are held out.
Fold = tuple[Rows, Rows]

# Trees are added in rounds that double, from the first number, until the loss has long been rising.
_FIRST_ROUND = 40
_LONG = 0.6
# More in all would make a graph of tens of megabytes.
_MOST_TREES = 2_400
_MOST_ITERATIONS = 320


@dataclass(frozen=True)
class Setting:
    """The parameters of the boosting. 0 iterations: as many as do best."""

    learning_rate: float
    maximum_leaves: int
    minimum_leaf_rows: int
    l2_regularization: float
    feature_share: float
    seed: int
    iterations: int = 0

    def unfitted(self, iterations: int, *, classifies: bool) -> Boosting:
        """Return a model to be fitted."""
        kind = HistGradientBoostingClassifier if classifies else HistGradientBoostingRegressor
        return kind(
            max_iter=iterations,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.maximum_leaves,
            min_samples_leaf=self.minimum_leaf_rows,
            l2_regularization=self.l2_regularization,
            max_features=self.feature_share,
            # The rows that would stop it are held out here already.
            early_stopping=False,
            warm_start=True,
            random_state=self.seed,
        )


@dataclass(frozen=True)
class Boosted:
    """What was fitted. `scores` [rows, scores] are of models that did not see the row, NaN where all saw it."""

    setting: Setting
    members: tuple[Boosting, ...]
    scores: Doubles


@dataclass(frozen=True)
class Table:
    """The rows to fit: features [rows, columns], and a target of `classes` 0 to classes - 1, none of a regression."""

    features: Floats
    target: Doubles
    classes: int

    @property
    def scores(self) -> int:
        """How many scores a row has."""
        return self.classes if self.classes > 2 else 1

    def loss(self, scores: Doubles, rows: Rows) -> float:
        """Return the mean loss of the raw scores [rows, scores] of some rows."""
        target = self.target[rows]
        if not self.classes:
            return float(np.mean((scores[:, 0] - target) ** 2))
        if self.scores == 1:
            return float(np.logaddexp(0, np.where(target == 1, -scores[:, 0], scores[:, 0])).mean())
        own = np.take_along_axis(scores, target.astype(np.int64)[:, None], axis=1)[:, 0]
        return float((logsumexp(scores, axis=1) - own).mean())


def search(table: Table, folds: Sequence[Fold], settings: Sequence[Setting], *, average: bool) -> Boosted:
    """Return the best of the settings, fitted: its members of the folds to `average`, or one member of all rows."""
    tried = [(each, *_curve(table, folds, each)) for each in settings]
    setting, _, iterations = min(tried, key=lambda each: each[1])
    chosen = replace(setting, iterations=iterations)
    members = [_fitted(table, rows, chosen) for rows, _ in folds]
    scores = np.full((len(table.target), table.scores), np.nan)
    for member, (_, held_out) in zip(members, folds, strict=True):
        scores[held_out] = boosted_scores(member, table.features[held_out])
    if not average:
        members = [_fitted(table, np.arange(len(table.target)), chosen)]
    return Boosted(chosen, tuple(members), scores)


def _fitted(table: Table, rows: Rows, setting: Setting) -> Boosting:
    return _grown(setting.unfitted(1, classifies=bool(table.classes)), table, rows, setting.iterations)


def _curve(table: Table, folds: Sequence[Fold], setting: Setting) -> tuple[float, int]:
    """Return the lowest mean loss of the held-out rows, and after how many iterations it is reached."""
    models = [setting.unfitted(1, classifies=bool(table.classes)) for _ in folds]
    weights = [len(held_out) for _, held_out in folds]
    most = setting.iterations or min(_MOST_ITERATIONS, _MOST_TREES // table.scores)
    losses = np.empty(0)
    for size in _rounds(setting.iterations, most):
        found = [
            [table.loss(scores, held_out) for scores in _staged(_grown(model, table, rows, size), table, held_out)]
            for model, (rows, held_out) in zip(models, folds, strict=True)
        ]
        losses = np.average(found, axis=0, weights=weights)
        if setting.iterations:
            return float(losses[-1]), size
        if losses.argmin() < _LONG * size:
            break
    return float(losses.min()), int(losses.argmin()) + 1


def _rounds(fixed: int, most: int) -> Iterator[int]:
    size = fixed or min(_FIRST_ROUND, most)
    while True:
        yield size
        if size >= most:
            return
        size = min(2 * size, most)


def _grown(model: Boosting, table: Table, rows: Rows, size: int) -> Boosting:
    features = table.features[rows]
    # scikit-learn cannot bin a column without any value; no tree splits by a constant.
    features[:, np.isnan(features).all(axis=0)] = 0
    return model.set_params(max_iter=size).fit(features, table.target[rows])


def _staged(model: Boosting, table: Table, rows: Rows) -> Iterator[Doubles]:
    features = table.features[rows]
    if isinstance(model, HistGradientBoostingClassifier):
        stages = model.staged_decision_function(features)
    else:
        stages = model.staged_predict(features)
    for scores in stages:
        yield np.asarray(scores).reshape(len(rows), -1)
