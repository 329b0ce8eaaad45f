"""Reads an AutoML task, as jobs (camelCase) and as pipeline steps (snake_case) send it. Pure: no I/O.

Refuses by name what the emulator does not train.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from azureml_emulator.jobs.definitions.automl import (
    ALGORITHMS,
    CATEGORICAL,
    CLASSIFICATION,
    IGNORE,
    METRICS,
    NOT_TRAINED,
    NUMERIC,
    AutomlSettings,
)
from azureml_emulator.jobs.definitions.sweep import Sampling, SweepSettings
from azureml_emulator.jobs.definitions.wire import (
    bool_of,
    field_of,
    in_snake_case,
    number,
    refuse,
    seconds,
    whole_number,
)
from azureml_emulator.kernel.errors import NotModelled

_DEFAULT_METRICS = {CLASSIFICATION: "AUC_weighted", "regression": "normalized_root_mean_squared_error"}
_MOST_TRIALS, _DEFAULT_TRIALS = 1000, 1000
_DEFAULT_SECONDS, _DEFAULT_TRIAL_SECONDS = 6 * 3600.0, 30 * 60.0
_MINUTE = 60.0
# As many as there are.
_ALL_CORES = -1
_OFF, _AUTO = "off", "auto"
_PURPOSES = {"numeric": NUMERIC, "categorical": CATEGORICAL, "categoricalhash": CATEGORICAL}
_INSTEAD = "Train it with a command job of your own, or submit it to Azure."


def read_automl(given: Mapping[str, Any]) -> SweepSettings:
    """A task as the search over its trials. `given` is a job's `taskDetails` or a node.

    Raises BadRequest, and NotModelled for what the emulator does not train.
    """
    task = _task(str(_field(given, "taskType") or given.get("task") or ""))
    limits = _field(given, "limitSettings") or given.get("limits") or {}
    settings = _settings(task, given, limits)
    total = _count(limits, "maxTrials", _DEFAULT_TRIALS)
    return SweepSettings(
        space={},
        sampling=Sampling("random", sobol=False, seed=None, log_base=1.0),
        metric=settings.metric,
        maximize=settings.maximize,
        max_trials=total,
        max_concurrent=min(_count(limits, "maxConcurrentTrials", 1), total),
        timeout=_limit(limits, "timeout", _DEFAULT_SECONDS),
        trial_timeout=_limit(limits, "trialTimeout", _DEFAULT_TRIAL_SECONDS),
        policy=None,
        declared={},
        automl=settings,
    )


def _settings(task: str, given: Mapping[str, Any], limits: Mapping[str, Any]) -> AutomlSettings:
    target = _field(given, "targetColumnName")
    if not target:
        raise refuse("An AutoML task needs target_column_name: the column to predict.", "targetColumnName")
    if _field(given, "cvSplitColumnNames"):
        raise NotModelled("The emulator's AutoML does not model cv_split_column_names: use n_cross_validations.")
    metric = _metric(task, _field(given, "primaryMetric"))
    training = _field(given, "trainingSettings") or given.get("training") or {}
    algorithms, notes = _algorithms(task, training)
    if whole_number(_field(limits, "maxNodes"), 1, "limits.max_nodes") > 1:
        notes.append("max_nodes has no effect: every trial runs on this machine.")
    featurization = _field(given, "featurizationSettings") or given.get("featurization") or {}
    exit_score = _field(limits, "exitScore")
    cores = whole_number(_field(limits, "maxCoresPerTrial"), 1, "limits.max_cores_per_trial", _ALL_CORES)
    return AutomlSettings(
        task=task,
        metric=metric,
        maximize=METRICS[task][metric],
        target=str(target),
        weight=_field(given, "weightColumnName") or None,
        algorithms=tuple(algorithms),
        folds=_folds(_field(given, "nCrossValidations")),
        validation_size=_share(_field(given, "validationDataSize"), "validation_data_size"),
        test_size=_share(_field(given, "testDataSize"), "test_data_size"),
        featurize=str(featurization.get("mode") or _AUTO).lower() != _OFF,
        purposes=tuple(_purposes(featurization)),
        exit_score=None if exit_score is None else number(exit_score, 0, "limits.exit_score"),
        early_termination=bool_of(field_of(dict(limits), "enableEarlyTermination"), default=True),
        cores=max(cores, 1),
        notes=tuple(notes),
    )


def _field(given: Mapping[str, Any], name: str) -> Any:
    return field_of(dict(given), name)


def _task(name: str) -> str:
    task = name.lower()
    if task in METRICS:
        return task
    if task == "forecasting":
        why = "Forecasts need libraries that it does not have"
    elif task.startswith("image"):
        why = "Models of images need a GPU"
    elif task.startswith("text"):
        why = "Models of text need a GPU"
    else:
        raise refuse(f"Unknown AutoML task '{name}'. There are: {', '.join(METRICS)}.", "taskType")
    raise NotModelled(
        f"The emulator runs the AutoML tasks classification and regression, not '{name}'. {why}. {_INSTEAD}"
    )


def _metric(task: str, given: Any) -> str:
    if not given:
        return _DEFAULT_METRICS[task]
    found = _named(str(given), METRICS[task])
    if found is None:
        raise refuse(
            f"The primary metric '{given}' is not one of the task {task}. There are: {', '.join(METRICS[task])}.",
            "primaryMetric",
        )
    return found


_NO_ENSEMBLE: Final = "No ensemble is made of the trials: the emulator's AutoML has none."
# Options of the training settings that have no effect.
_NOT_MADE: Final = {
    "enableStackEnsemble": _NO_ENSEMBLE,
    "enableVoteEnsemble": _NO_ENSEMBLE,
    "enableOnnxCompatibleModels": "No outputs/model.onnx is written: the emulator's AutoML writes MLflow models.",
    "enableDnnTraining": "No neural network is trained: the emulator's AutoML has none.",
    "enableModelExplainability": "No explanation of the best model is made: the emulator's AutoML makes none.",
}


def _algorithms(task: str, training: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The algorithms to try, and notes about what the job asks for and does not get."""
    known = (*ALGORITHMS[task], *NOT_TRAINED[task])
    allowed, blocked = (
        [_algorithm(task, str(name), known) for name in field_of(dict(training), field) or []]
        for field in ("allowedTrainingAlgorithms", "blockedTrainingAlgorithms")
    )
    wanted = [name for name in ALGORITHMS[task] if (not allowed or name in allowed) and name not in blocked]
    if not wanted:
        raise NotModelled(
            f"No training algorithm is left to try: the emulator trains {', '.join(ALGORITHMS[task])}. "
            "Allow one of them, or block fewer."
        )
    notes = [f"Not tried: {name}, which the emulator does not train." for name in allowed if name in NOT_TRAINED[task]]
    asked = [name for name in _NOT_MADE if bool_of(field_of(dict(training), name), default=False)]
    # Both options for ensembles have one note.
    notes += dict.fromkeys(_NOT_MADE[name] for name in asked)
    return wanted, notes


def _algorithm(task: str, given: str, known: Iterable[str]) -> str:
    found = _named(given, known)
    if found is None:
        raise refuse(f"Unknown training algorithm '{given}' of the task {task}. There are: {', '.join(known)}.")
    return found


def _purposes(featurization: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if field_of(dict(featurization), "transformerParams"):
        raise NotModelled(
            "The emulator's AutoML has no transformers of Azure's, and so no parameters for them: leave out "
            "transformer_params, or prepare the columns in a step of your own."
        )
    for name, kind in (field_of(dict(featurization), "columnNameAndTypes") or {}).items():
        yield str(name), _PURPOSES.get(str(kind).lower().replace("_", ""), IGNORE)


def _named(given: str, names: Iterable[str]) -> str | None:
    """A name in any spelling: AUCWeighted, auc_weighted."""
    wanted = given.lower().replace("_", "")
    return next((name for name in names if name.lower().replace("_", "") == wanted), None)


def _folds(given: Any) -> int | None:
    value = given.get("value") if isinstance(given, dict) else given
    if value is None or str(value).lower() == _AUTO:
        return None
    return whole_number(value, 0, "n_cross_validations", 2, 100)


def _share(given: Any, name: str) -> float | None:
    share = number(given, 0, name)
    if not 0 <= share < 1:
        raise refuse(f"{name} must be a share of the training data from 0 to 1, not {given}.", name)
    return share or None


def _count(limits: Mapping[str, Any], name: str, default: int, most: int = _MOST_TRIALS) -> int:
    return whole_number(_field(limits, name), default, f"limits.{in_snake_case(name)}", 1, most)


def _limit(limits: Mapping[str, Any], name: str, default: float) -> float:
    """A limit in seconds: a job sends a duration, a node minutes."""
    minutes = field_of(dict(limits), f"{name}Minutes")
    given = (
        field_of(dict(limits), name)
        if minutes is None
        else number(minutes, 0, f"limits.{in_snake_case(name)}_minutes") * _MINUTE
    )
    limit = seconds(given, f"limits.{name}")
    if limit is not None and limit <= 0:
        raise refuse(f"The {name} of AutoML must be above 0.", f"limits.{name}")
    return default if limit is None else limit
