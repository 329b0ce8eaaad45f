"""Gradient boosting whose size fits the table: settings and number of trees that do best on rows they did not see.

A table of few rows is cross-validated, and the members fitted to its folds are averaged: what is chosen, and what is
calibrated, rests on all rows. Of a larger table, or one split by time, the validation part decides, and one model is
then fitted to all rows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from category_means import averaged, fit_means
from scipy.special import logsumexp
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from model_package.steps.table_model import Boosting, Doubles, Floats, Member

Rows = npt.NDArray[np.int64]
# The rows that fit, and those that are held out.
Fold = tuple[Rows, Rows]
# Receives the raw scores [rows, scores] of the best model so far, NaN of rows that it saw, whenever trees were added.
Report = Callable[[Doubles], None]

# Trees are added in rounds that double, from the first number, until the loss has long been rising.
_FIRST_ROUND = 40
_LONG = 0.6
# More in all would make a graph of tens of megabytes.
_MOST_TREES = 2_400
_MOST_ITERATIONS = 320
# Rows x features x trees that are grown at most: per candidate, so that training takes less than a minute.
_MOST_WORK = 2.5e9
_LEAST_ITERATIONS = 20


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
    members: tuple[Member, ...]
    scores: Doubles


@dataclass(frozen=True)
class Table:
    """The rows to fit: features [rows, columns], and a target of `classes` 0 to classes - 1, none of a regression.

    `categories` are the columns of many categories: place in the matrix, and number of codes.
    """

    features: Floats
    target: Doubles
    classes: int
    categories: tuple[tuple[int, int], ...] = ()

    @property
    def scores(self) -> int:
        """How many scores a row has."""
        return self.classes if self.classes > 2 else 1

    @property
    def work(self) -> int:
        """Rows x features x trees of one iteration."""
        return self.features.size * self.scores

    @property
    def most_iterations(self) -> int:
        """How many iterations are tried at most: fewer where one takes long."""
        affordable = max(_LEAST_ITERATIONS, int(_MOST_WORK / max(self.work, 1)))
        return min(_MOST_ITERATIONS, _MOST_TREES // self.scores, affordable)

    def loss(self, scores: Doubles, rows: Rows) -> float:
        """Return the mean loss of the raw scores [rows, scores] of some rows."""
        target = self.target[rows]
        if not self.classes:
            return float(np.mean((scores[:, 0] - target) ** 2))
        if self.scores == 1:
            return float(np.logaddexp(0, np.where(target == 1, -scores[:, 0], scores[:, 0])).mean())
        own = np.take_along_axis(scores, target.astype(np.int64)[:, None], axis=1)[:, 0]
        return float((logsumexp(scores, axis=1) - own).mean())


@dataclass(frozen=True)
class _Fit:
    """What boosting is fitted to: rows of a table [rows, columns and means], their targets, and how others are read."""

    features: Floats
    target: Doubles
    member: Member
    held_out: Floats

    def grow(self, size: int) -> None:
        """Add trees until there are so many per score."""
        self.member.boosting.set_params(max_iter=size).fit(self.features, self.target)


def search(
    table: Table, folds: Sequence[Fold], settings: Sequence[Setting], *, average: bool, report: Report | None = None
) -> Boosted:
    """Return the best of the settings, fitted: its members of the folds to `average`, or one member of all rows."""
    progress = _Progress(table, folds, report)
    tried = [(each, _curve(table, folds, each, progress)) for each in settings]
    setting, found = min(tried, key=lambda each: each[1].loss)
    chosen = replace(setting, iterations=found.iterations)
    if not average:
        everything = np.arange(len(table.target))
        member = _fitted(table, (everything, everything[:0]), chosen).member
        return Boosted(chosen, (member,), _placed(table, folds, found.scores))
    fits = [_fitted(table, fold, chosen) for fold in folds]
    scores = [fit.member.scores(table.features[held_out]) for fit, (_, held_out) in zip(fits, folds, strict=True)]
    return Boosted(chosen, tuple(fit.member for fit in fits), _placed(table, folds, scores))


def _placed(table: Table, folds: Sequence[Fold], scores: Sequence[Doubles]) -> Doubles:
    """Return the folds' raw scores in the order of the rows."""
    found = np.full((len(table.target), table.scores), np.nan)
    for (_, held_out), each in zip(folds, scores, strict=True):
        found[held_out] = each
    return found


def _fitted(table: Table, fold: Fold, setting: Setting) -> _Fit:
    found = _unfitted(table, fold, setting)
    found.grow(setting.iterations)
    return found


def _unfitted(table: Table, fold: Fold, setting: Setting) -> _Fit:
    rows, held_out = fold
    features, target = table.features[rows], table.target[rows]
    # scikit-learn cannot bin a column without any value; no tree splits by a constant.
    features[:, np.isnan(features).all(axis=0)] = 0
    means, fitted = fit_means(features, averaged(target, table.classes), table.categories, setting.seed)
    member = Member(setting.unfitted(1, classifies=bool(table.classes)), means)
    return _Fit(fitted, target, member, means.appended(table.features[held_out]))


@dataclass(frozen=True)
class _Best:
    """The lowest mean loss of the held-out rows, after how many iterations, and each fold's raw scores there."""

    loss: float
    iterations: int
    scores: list[Doubles]


@dataclass
class _Progress:
    """Reports the best scores of all settings that were tried so far."""

    table: Table
    folds: Sequence[Fold]
    report: Report | None
    best: _Best | None = None

    def show(self, found: _Best) -> None:
        """Report, when a setting has grown."""
        if self.best is None or found.loss <= self.best.loss:
            self.best = found
        if self.report is not None:
            self.report(_placed(self.table, self.folds, self.best.scores))


def _curve(table: Table, folds: Sequence[Fold], setting: Setting, progress: _Progress) -> _Best:
    """Add trees until the loss of the held-out rows has long been rising, or as many as the setting says."""
    fits = [_unfitted(table, fold, setting) for fold in folds]
    weights = np.array([len(held_out) for _, held_out in folds], dtype=np.float64)
    most = setting.iterations or table.most_iterations
    best = _Best(np.inf, 1, [])
    for size in _rounds(most):
        for fit in fits:
            fit.grow(size)
        # Of a fixed number of trees the newest stage counts, of others the best one.
        newest = _Best(np.inf, 0, [])
        stages = zip(*(_staged(fit.member.boosting, fit.held_out) for fit in fits), strict=True)
        for iterations, scores in enumerate(stages, start=1):
            losses = [table.loss(each, held_out) for each, (_, held_out) in zip(scores, folds, strict=True)]
            loss = float(np.average(losses, weights=weights))
            if iterations == size and setting.iterations:
                newest = _Best(loss, iterations, [each.copy() for each in scores])
            if not best.scores or (not setting.iterations and loss < best.loss):
                # The next stage may be written over the same memory.
                best = _Best(loss, iterations, [each.copy() for each in scores])
        best = newest if setting.iterations else best
        progress.show(best)
        if not setting.iterations and best.iterations < _LONG * size:
            break
    return best


def _rounds(most: int) -> Iterator[int]:
    size = min(_FIRST_ROUND, most)
    while True:
        yield size
        if size >= most:
            return
        size = min(2 * size, most)


def _staged(model: Boosting, features: Floats) -> Iterator[Doubles]:
    if isinstance(model, HistGradientBoostingClassifier):
        stages = model.staged_decision_function(features)
    else:
        stages = model.staged_predict(features)
    for scores in stages:
        yield np.asarray(scores).reshape(len(features), -1)
