"""The entry point of a trial: `python -m azureml_emulator.jobs.automl`, which reads its task from variables."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from azureml_emulator.jobs.automl.learners import Choice, Tried, choose, usable
from azureml_emulator.jobs.automl.tables import TableError
from azureml_emulator.jobs.automl.trial import read_data, save, train
from azureml_emulator.jobs.definitions.automl import (
    BEST_MODEL,
    RESULT_FILE,
    SETTINGS_VARIABLE,
    TEST,
    TRAINING,
    VALIDATION,
    AutomlSettings,
    read_settings,
)

_INPUT, _OUTPUT = "AZURE_ML_INPUT_", "AZURE_ML_OUTPUT_"
_MODEL_FOLDER = Path("outputs/mlflow-model")
# Of the split, of the learners and of their search: the same data gives the same trials.
SEED = 7


def main() -> int:
    """Run the trial that the variables describe, in the working folder. Returns the exit code."""
    settings = read_settings(os.environ[SETTINGS_VARIABLE])
    trial = int(os.environ["AZUREML_RUN_ID"].rpartition("_")[2])
    for note in settings.notes:
        print(note)
    paths = {name: Path(path) for name in (TRAINING, VALIDATION, TEST) if (path := os.environ.get(_INPUT + name))}
    try:
        data = read_data(settings, paths, SEED)
    except TableError as error:
        print(error, file=sys.stderr)
        return 1
    for name, reason in data.features.left_out.items():
        print(f"Not read: the column '{name}', because {reason}.")
    algorithms = usable(settings.algorithms, has_missing=data.has_missing)
    if not algorithms:
        print(
            "The data has missing values, of which LightGBM's exported form is not sure: allow another algorithm too, "
            "such as GradientBoosting, or fill in the values.",
            file=sys.stderr,
        )
        return 1
    if len(algorithms) < len(settings.algorithms):
        print("The data has missing values, so LightGBM is not tried: its exported form answers such rows otherwise.")
    earlier = [tried for before in range(trial) if (tried := _tried(before, settings))]
    choice = choose(algorithms, settings.task, trial, earlier, data.shape, SEED)
    print(f"Trial {trial}: {choice.algorithm} with {_described(choice)}.")
    _write(choice, None)
    started = time.monotonic()
    model, scores = train(data, choice, settings, SEED)
    save(model, data, _MODEL_FOLDER)
    shutil.copytree(_MODEL_FOLDER, os.environ[_OUTPUT + BEST_MODEL], dirs_exist_ok=True)
    _track(choice, {**scores, "fit_seconds": time.monotonic() - started})
    _write(choice, scores.get(settings.metric))
    print(", ".join(f"{name} {value:.4g}" for name, value in scores.items()))
    return 0


def _tried(number: int, settings: AutomlSettings) -> Tried | None:
    """An earlier trial of the same job, whose artifacts lie beside those of this one."""
    own = Path(RESULT_FILE).parent.resolve().parent
    file = own.with_name(f"{own.name.rpartition('_')[0]}_{number}") / RESULT_FILE
    if not file.is_file():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    score = found["score"]
    loss = None if score is None else -score if settings.maximize else score
    return Tried(found["learner"], found["config"], loss)


def _write(choice: Choice, score: float | None) -> None:
    """What later trials and the job read. Replaced as a whole, since they may read it at any time."""
    found = {"algorithm": choice.algorithm, "learner": choice.learner, "config": dict(choice.config), "score": score}
    file = Path(RESULT_FILE)
    file.parent.mkdir(exist_ok=True)
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(found), encoding="utf-8")
    draft.replace(file)


def _track(choice: Choice, scores: dict[str, float]) -> None:
    """Report parameters and metrics to MLflow, where the step has a run."""
    run = os.environ.get("MLFLOW_RUN_ID")
    if run is None:
        return
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    parameters = [Param("algorithm", choice.algorithm), *(Param(key, str(each)) for key, each in choice.config.items())]
    metrics = [Metric(name, value, now, 0) for name, value in scores.items() if math.isfinite(value)]
    MlflowClient().log_batch(run, metrics=metrics, params=parameters)


def _described(choice: Choice) -> str:
    return ", ".join(f"{name}={_short(value)}" for name, value in choice.config.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
