"""An AutoML task as the runner of sweeps sees it: how many trials, when to end, what Azure writes about them."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from azureml_emulator.jobs.definitions.automl import RESULT_FILE, AutomlSettings
from azureml_emulator.jobs.definitions.distribution import STEP_LOG
from azureml_emulator.jobs.definitions.states import FAILED
from azureml_emulator.jobs.definitions.steps import Step
from azureml_emulator.jobs.definitions.sweep import SweepSettings
from azureml_emulator.jobs.sweeps.search import Search, SweepSearch
from azureml_emulator.jobs.sweeps.trials import Trial, best_trial

# The code of trials, which the fork server may import ahead.
TRIAL_CODE = Path(__file__).parent
_NEEDED = ("flaml", "lightgbm", "sklearn", "skops", "xgboost")
# As documented: early termination looks from the 21st trial on whether the last ten have brought something.
_LANDMARKS, _WINDOW = 20, 10
# So many trials that fail, and none that does not: the fault is in the data or in the job.
_HOPELESS = 3


def search_of(settings: SweepSettings, artifacts: Callable[[str], Path]) -> Search:
    """The search of a sweep or of an AutoML task. `artifacts` gives the folder of a trial's artifacts by its name."""
    return SweepSearch(settings) if settings.automl is None else AutomlSearch(settings, settings.automl, artifacts)


class AutomlSearch:
    """What is special about AutoML among sweeps. `artifacts` gives the folder of a trial's artifacts by its name."""

    # The name that the SDK streams of any job.
    log = STEP_LOG
    keeps_best_after_timeout = True

    def __init__(self, search: SweepSettings, task: AutomlSettings, artifacts: Callable[[str], Path]) -> None:
        self._search = search
        self._task = task
        self._artifacts = artifacts

    def obstacle(self) -> str | None:
        """Why it cannot run here, as a sentence."""
        return missing_packages(_NEEDED)

    def title(self) -> str:
        """What it does, for the log."""
        task = self._task
        return f"AutoML {task.task} of '{task.target}' by {task.metric}: {', '.join(task.algorithms)}"

    def next(self, _: int, trials: Sequence[Trial]) -> dict[str, Any] | None:
        """The parameters of the next trial, which chooses its learner itself; None when none is needed."""
        return None if self._reason(trials) else {}

    def no_more(self, trials: Sequence[Trial]) -> str:
        """Why there is no next trial."""
        return f"{self._reason(trials)} after {len(trials)} trials"

    def run_properties(self) -> dict[str, str]:
        """The properties that the service adds when it starts."""
        return {
            "azureml.runsource": "automl",
            "num_iterations": str(self._search.max_trials),
            "primary_metric": self._task.metric,
            "runTemplate": "AutoML",
            "target": self._task.target,
            "task_type": self._task.task,
        }

    def tags(self, trials: Mapping[str, Trial], *, ended: bool) -> dict[str, str]:
        """The tags about all trials: lists with ";" in the order of the trials, once the search has ended."""
        if not ended:
            return {}
        results = [self._result(name) for name in trials]
        scores = [trial.score(maximize=self._search.maximize) for trial in trials.values()]
        return {
            "pipeline_id_000": ";".join(trials),
            "run_algorithm_000": ";".join(str(result.get("algorithm", "")) for result in results),
            "score_000": ";".join("" if score is None else repr(score) for score in scores),
        }

    def best(self, name: str, score: float) -> tuple[dict[str, str], dict[str, str]]:
        """The properties and the tags by which the SDK, MLflow and Studio find the best trial."""
        algorithm = str(self._result(name).get("algorithm", ""))
        return {"best_algorithm": algorithm, "best_score": repr(score)}, {"automl_best_child_run_id": name}

    def trial(self, step: Step, _: Mapping[str, Any]) -> dict[str, Any]:
        """What the document of a trial shows beside its state."""
        properties = {"azureml.runsource": "automl", "runTemplate": "automl_child", "primary_metric": self._task.metric}
        return {"outputs": {name: {"jobOutputType": output.type} for name, output in step.outputs.items()}} | {
            "command": step.command,
            "properties": properties,
        }

    def trial_ended(self, trial: Trial) -> dict[str, str]:
        """The properties of a trial that has ended."""
        result = self._result(trial.name)
        if not result:
            return {}
        score = trial.score(maximize=self._search.maximize)
        spec = {"class_name": result["algorithm"], "learner": result["learner"], "params": result["config"]}
        return {
            "iteration": trial.name.rpartition("_")[2],
            "pipeline_spec": json.dumps(spec, sort_keys=True),
            "run_algorithm": result["algorithm"],
            **({} if score is None else {"score": repr(score)}),
        }

    def _reason(self, trials: Sequence[Trial]) -> str | None:
        """Why the search ends here, if it does."""
        maximize, wanted = self._search.maximize, self._task.exit_score
        failed = [trial for trial in trials if trial.state == FAILED]
        if len(failed) == len(trials) >= _HOPELESS:
            return "every trial has failed"
        best = best_trial(trials, maximize=maximize)
        if best is None:
            return None
        leader, score = best
        if wanted is not None and (score >= wanted if maximize else score <= wanted):
            return f"the exit score {wanted:g} is reached"
        ended = [trial.name for trial in trials if trial.has_ended]
        if self._task.early_termination and len(ended) > _LANDMARKS + _WINDOW - 1:
            since = len(ended) - 1 - ended.index(leader.name)
            if since >= _WINDOW:
                return f"{since} trials have brought nothing better"
        return None

    def _result(self, name: str) -> dict[str, Any]:
        file = self._artifacts(name) / RESULT_FILE
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def missing_packages(names: Sequence[str]) -> str | None:
    """What to install for AutoML, as a sentence; None when all packages are there."""
    missing = [name for name in names if not _is_installed(name)]
    if not missing:
        return None
    return (
        f"AutoML needs {', '.join(missing)}, which the emulator's environment does not have. Install the extra "
        "`automl`: in this repository by `uv sync --group automl`, elsewhere by "
        "`pip install 'mlops-template-azureml-emulator[automl]'`. Then start the emulator and submit the job again."
    )


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
