"""What the runner of sweeps asks of a search, and how a sweep answers: next trial, log, what Azure writes about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from azureml_emulator.jobs.definitions.steps import Step
from azureml_emulator.jobs.definitions.sweep import SWEEP_LOG, SweepSettings
from azureml_emulator.jobs.sweeps.documents import best_properties, run_properties, run_tags, trial_properties
from azureml_emulator.jobs.sweeps.sampling import next_parameters, space_size
from azureml_emulator.jobs.sweeps.trials import Trial


class Search(Protocol):
    """A search over trials. `log` is the name of its log file."""

    log: str
    keeps_best_after_timeout: bool

    def obstacle(self) -> str | None:
        """Why it cannot run here, as a sentence."""

    def title(self) -> str:
        """What it does, for the log."""

    def next(self, seed: int, trials: Sequence[Trial], /) -> dict[str, Any] | None:
        """The parameters of the next trial, or None when there is none."""

    def no_more(self, trials: Sequence[Trial]) -> str:
        """Why there is no next trial."""

    def run_properties(self) -> dict[str, str]:
        """The properties that the service adds when it starts."""

    def tags(self, trials: Mapping[str, Trial], *, ended: bool) -> dict[str, str]:
        """The tags about all trials."""

    def best(self, name: str, score: float) -> tuple[dict[str, str], dict[str, str]]:
        """The properties and the tags by which clients find the best trial."""

    def trial(self, step: Step, parameters: Mapping[str, Any], /) -> dict[str, Any]:
        """What the document of a trial shows beside its state."""

    def trial_ended(self, trial: Trial, /) -> dict[str, str]:
        """The properties of a trial that has ended."""


class SweepSearch:
    """The search of a sweep."""

    log = SWEEP_LOG
    keeps_best_after_timeout = False

    def __init__(self, settings: SweepSettings) -> None:
        self._settings = settings

    def obstacle(self) -> str | None:
        """None: what a sweep needs is always installed."""
        return None

    def title(self) -> str:
        """What it does, for the log."""
        settings = self._settings
        goal = "maximize" if settings.maximize else "minimize"
        return f"Sweep: {settings.sampling.kind} sampling, {goal} {settings.metric}"

    def next(self, seed: int, trials: Sequence[Trial]) -> dict[str, Any] | None:
        """The parameters of the next trial, or None when the space is exhausted."""
        return next_parameters(self._settings, seed, trials)

    def no_more(self, trials: Sequence[Trial]) -> str:
        """That every point was tried."""
        return f"the search space is exhausted after {len(trials)} trials"

    def run_properties(self) -> dict[str, str]:
        """The properties that the service adds when it starts."""
        return run_properties(self._settings, space_size(self._settings))

    def tags(self, trials: Mapping[str, Trial], *, ended: bool) -> dict[str, str]:
        """The parameters of each trial by its name, and the limits."""
        sampled = {trial.name: trial.parameters for trial in trials.values()}
        return run_tags(self._settings, sampled, all_sampled=ended)

    def best(self, name: str, score: float) -> tuple[dict[str, str], dict[str, str]]:
        """The properties by which the SDK and Studio find the best trial; no tags."""
        return best_properties(name, score), {}

    def trial(self, step: Step, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The document of a command job."""
        return trial_properties(step, parameters)

    def trial_ended(self, _: Trial) -> dict[str, str]:
        """Nothing more."""
        return {}
