"""What a sweep varies, how it samples, and when it stops. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from azureml_emulator.jobs.definitions.automl import AutomlSettings

SWEEP_LOG = "azureml-logs/hyperdrive.txt"
SamplingKind = Literal["random", "grid", "bayesian"]
PolicyKind = Literal["bandit", "medianstopping", "truncationselection"]


@dataclass(frozen=True)
class Distribution:
    """One distribution of a search space: `kind` as Azure names it, and its arguments in Azure's order.

    The arguments of a `choice` are its values; a value that is a mapping may hold distributions itself.
    """

    kind: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Sampling:
    """The algorithm that picks the parameters of trials. `log_base` is the base of the log distributions."""

    kind: SamplingKind
    sobol: bool
    seed: int | None
    log_base: float


@dataclass(frozen=True)
class EarlyTermination:
    """A policy that stops trials. Intervals count reports of the primary metric; the other fields are of one kind."""

    kind: PolicyKind
    interval: int
    delay: int
    slack_factor: float
    slack_amount: float
    percentage: int
    exclude_finished: bool


@dataclass(frozen=True)
class SweepSettings:
    """A whole sweep. `timeout` and `trial_timeout` are in seconds, None for no limit.

    `declared` has the declarations of parameters that are inputs of a component. With `automl` the trials choose what
    they try themselves, and the space is empty.
    """

    space: Mapping[str, Distribution]
    sampling: Sampling
    metric: str
    maximize: bool
    max_trials: int
    max_concurrent: int
    timeout: float | None
    trial_timeout: float | None
    policy: EarlyTermination | None
    declared: Mapping[str, Mapping[str, Any]]
    automl: AutomlSettings | None = None
