"""The learners that a trial may train, by Azure's names, and FLAML's search of their parameters.

Only learners whose saved model answers as the trained one does, on rows with missing values too, are offered; LightGBM
is left out where values are missing, since its ONNX form answers such rows otherwise.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flaml import CFO
from flaml.automl.task.factory import task_factory
from sklearn.ensemble import VotingClassifier

from azureml_emulator.jobs.definitions.automl import CLASSIFICATION

_BOOSTED = {"n_estimators": 100, "learning_rate": 0.1}
_LIGHTGBM = {
    **_BOOSTED,
    "num_leaves": 31,
    "min_child_samples": 20,
    "log_max_bin": 8,
    "colsample_bytree": 1.0,
    "reg_alpha": 1 / 1024,
    "reg_lambda": 1 / 1024,
}
_XGBOOST = {
    **_BOOSTED,
    "min_child_weight": 1.0,
    "subsample": 1.0,
    "colsample_bylevel": 1.0,
    "colsample_bytree": 1.0,
    "reg_alpha": 1 / 1024,
    "reg_lambda": 1.0,
}
_OF_XGBOOST = {"xgb_limitdepth": {**_XGBOOST, "max_depth": 6}, "xgboost": {**_XGBOOST, "max_leaves": 31}}
_FOREST = {"n_estimators": 100, "max_leaves": 1000}
# Azure's algorithms, the FLAML learners that stand for each, and the parameters with which each learner begins.
_LEARNERS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "LightGBM": {"lgbm": _LIGHTGBM},
    "XGBoostClassifier": _OF_XGBOOST,
    "XGBoostRegressor": _OF_XGBOOST,
    "GradientBoosting": {
        "histgb": {
            **_BOOSTED,
            "max_leaves": 31,
            "min_samples_leaf": 20,
            "log_max_bin": 8,
            "l2_regularization": 1 / 1024,
        }
    },
    "RandomForest": {"rf": _FOREST},
    "ExtremeRandomTrees": {"extra_tree": _FOREST},
    "LogisticRegression": {"lrl2": {"C": 1.0}},
    "ElasticNet": {"enet": {"alpha": 0.01, "l1_ratio": 0.5, "selection": "cyclic"}},
}
_LINEAR = frozenset({"lrl2", "enet"})
_UNSURE_ABOUT_MISSING = "LightGBM"


@dataclass(frozen=True)
class Choice:
    """What one trial trains: a FLAML learner with its parameters, and Azure's name of it."""

    algorithm: str
    learner: str
    config: Mapping[str, Any]

    @property
    def is_linear(self) -> bool:
        """Whether it needs scaled numbers and a column per category."""
        return self.learner in _LINEAR


@dataclass(frozen=True)
class Tried:
    """An earlier trial; `loss` is None while it runs, and when it has failed."""

    learner: str
    config: Mapping[str, Any]
    loss: float | None


def usable(algorithms: Sequence[str], *, has_missing: bool) -> list[str]:
    """The algorithms that may be trained on a table."""
    return [name for name in algorithms if not (has_missing and name == _UNSURE_ABOUT_MISSING)]


def choose(
    algorithms: Sequence[str], task: str, number: int, earlier: Sequence[Tried], shape: tuple[int, int], seed: int
) -> Choice:
    """What trial `number` trains, of a table of `shape` (rows, columns). The same earlier trials give the same choice.

    Every learner has one trial; then half of the trials go to the best one, a quarter to the second, and so on.
    """
    of_algorithm = {learner: name for name in algorithms for learner in _LEARNERS[name]}
    names = list(of_algorithm)
    if number < len(names):
        learner = names[number]
    else:
        # The zeros at the end of 1, 2, 3, … in binary: 0 1 0 2 0 1 0 3 …
        turn = number - len(names) + 1
        rank = ((turn & -turn).bit_length() - 1) % len(names)
        learner = sorted(names, key=lambda name: _best_loss(name, earlier))[rank]
    own = [tried for tried in earlier if tried.learner == learner]
    start = _LEARNERS[of_algorithm[learner]][learner]
    return Choice(of_algorithm[learner], learner, _suggest(learner, start, task, own, shape, seed))


def unfitted(choice: Choice, task: str, cores: int) -> Any:
    """The scikit-learn estimator of a choice."""
    of_flaml = task_factory(_flaml_task(task))
    learner = of_flaml.estimator_class_from_str(choice.learner)(task=of_flaml, n_jobs=cores, **choice.config)
    estimator = learner.estimator_class(**learner.params)
    if choice.algorithm == "XGBoostClassifier":
        # XGBoost takes classes as 0, 1, 2, … only; a vote of one encodes them, and decodes what it answers.
        return VotingClassifier([("xgboost", estimator)], voting="soft")
    return estimator


def _suggest(
    learner: str,
    start: Mapping[str, Any],
    task: str,
    earlier: Sequence[Tried],
    shape: tuple[int, int],
    seed: int,
) -> dict[str, Any]:
    """The next parameters of one learner: FLAML's search is taken through the earlier trials, then asked."""
    of_flaml = task_factory(_flaml_task(task))
    described = of_flaml.estimator_class_from_str(learner).search_space(data_size=shape, task=of_flaml)
    space = {name: entry["domain"] for name, entry in described.items()}
    given = {name: start.get(name, entry.get("init_value")) for name, entry in described.items()}
    begin = {name: value for name, value in given.items() if value is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = CFO(metric="loss", mode="min", space=space, points_to_evaluate=[begin], seed=seed)
        for place, tried in enumerate(earlier):
            search.suggest(str(place))
            if tried.loss is not None:
                result = {"loss": tried.loss, "config": dict(tried.config), "time_total_s": 1.0}
                search.on_trial_complete(str(place), result)
        found = search.suggest(str(len(earlier)))
    if found is None:
        # The search has converged: try a point at random rather than the same one again.
        np.random.seed((seed + len(earlier)) % 2**32)
        found = {name: domain.sample() for name, domain in space.items() if hasattr(domain, "sample")}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in found.items()}


def _best_loss(learner: str, earlier: Sequence[Tried]) -> float:
    return min((tried.loss for tried in earlier if tried.learner == learner and tried.loss is not None), default=1e300)


def _flaml_task(task: str) -> str:
    return "multiclass" if task == CLASSIFICATION else task
