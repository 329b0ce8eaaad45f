"""What an AutoML job trains, measures and tries. Values only: the emulator writes them, and its trials read them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

# The variable by which a trial learns what to do; its name, data and output have the variables that every step has.
SETTINGS_VARIABLE = "AZUREML_AUTOML_SETTINGS"
TRAINING, VALIDATION, TEST = "training_data", "validation_data", "test_data"
BEST_MODEL = "best_model"
# What a trial writes about itself into its artifacts.
RESULT_FILE = "outputs/automl.json"
CLASSIFICATION, REGRESSION = "classification", "regression"
# The purposes that a job may give a column.
NUMERIC, CATEGORICAL, IGNORE = "Numeric", "Categorical", "Ignore"
# The metrics that a job may choose, and whether more is better.
METRICS = {
    CLASSIFICATION: {
        "AUC_weighted": True,
        "accuracy": True,
        "norm_macro_recall": True,
        "average_precision_score_weighted": True,
        "precision_score_weighted": True,
    },
    REGRESSION: {
        "spearman_correlation": True,
        "normalized_root_mean_squared_error": False,
        "r2_score": True,
        "normalized_mean_absolute_error": False,
    },
}
# The algorithms that the emulator trains, in the order in which they are tried, and Azure's others.
_TREES = ("GradientBoosting", "RandomForest", "ExtremeRandomTrees")
ALGORITHMS = {
    CLASSIFICATION: ("LightGBM", "XGBoostClassifier", *_TREES, "LogisticRegression"),
    REGRESSION: ("LightGBM", "XGBoostRegressor", *_TREES, "ElasticNet"),
}
NOT_TRAINED = {
    CLASSIFICATION: (
        "SGD",
        "MultinomialNaiveBayes",
        "BernoulliNaiveBayes",
        "SVM",
        "LinearSVM",
        "KNN",
        "DecisionTree",
    ),
    REGRESSION: ("DecisionTree", "KNN", "LassoLars", "SGD"),
}


@dataclass(frozen=True)
class AutomlSettings:
    """One AutoML task on a table. Metrics and algorithms have the names that Azure's runs have.

    `validation_size` and `test_size` are shares of the training rows, `folds` a number of cross validations; None is
    for what the job leaves open. `purposes` has the type that the job gives a column: Numeric, Categorical or Ignore.
    """

    task: str
    metric: str
    maximize: bool
    target: str
    weight: str | None
    algorithms: tuple[str, ...]
    folds: int | None
    validation_size: float | None
    test_size: float | None
    featurize: bool
    purposes: tuple[tuple[str, str], ...]
    exit_score: float | None
    early_termination: bool
    cores: int
    notes: tuple[str, ...]

    def as_text(self) -> str:
        """The settings as JSON."""
        return json.dumps(asdict(self))


def read_settings(text: str) -> AutomlSettings:
    """The settings that `as_text` wrote."""
    given: dict[str, Any] = json.loads(text)
    given |= {name: tuple(given[name]) for name in ("algorithms", "notes")}
    given["purposes"] = tuple((name, kind) for name, kind in given["purposes"])
    return AutomlSettings(**given)
