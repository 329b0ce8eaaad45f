"""What an AutoML job trains, measures and tries. Values only: the emulator writes them, and its trials read them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

# The variables by which a trial learns what to do; its data and output have the variables that every step has.
SETTINGS_VARIABLE = "AZUREML_AUTOML_SETTINGS"
TRIAL_VARIABLE = "AZUREML_AUTOML_TRIAL"
TRAINING, VALIDATION, TEST = "training_data", "validation_data", "test_data"
BEST_MODEL = "best_model"
# What a trial writes about itself into its artifacts.
RESULT_FILE = "outputs/automl.json"
CLASSIFICATION, REGRESSION = "classification", "regression"


@dataclass(frozen=True)
class AutomlSettings:
    """One AutoML job on a table. Metrics and algorithms have the names that Azure's runs have.

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


@dataclass(frozen=True)
class TrialPlace:
    """Which trial this is, and where it finds those before it: `artifacts` has `{}` for the number of a trial."""

    number: int
    artifacts: str
    seed: int

    def as_text(self) -> str:
        """The place as JSON."""
        return json.dumps(asdict(self))


def read_settings(text: str) -> AutomlSettings:
    """The settings that `as_text` wrote."""
    given = json.loads(text)
    lists = {name: tuple(given[name]) for name in ("algorithms", "notes")}
    return AutomlSettings(**{**given, **lists, "purposes": tuple((name, kind) for name, kind in given["purposes"])})


def read_place(text: str) -> TrialPlace:
    """The place that `as_text` wrote."""
    return TrialPlace(**json.loads(text))
