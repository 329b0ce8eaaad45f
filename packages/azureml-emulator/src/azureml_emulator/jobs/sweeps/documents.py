"""The documents of sweeps and trials, with what the service fills in: normal forms, tags, properties. Pure: no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from azureml_emulator.jobs.definitions.steps import Data, FromStep, Step
from azureml_emulator.jobs.definitions.sweep import SweepSettings
from azureml_emulator.jobs.definitions.wire import field_of

_UNSET = ("earlyTermination", "identity", "notificationSetting", "queueSettings", "secretsConfiguration")
_MINUTE = 60.0
_RESOURCES = {
    "dockerArgs": None,
    "instanceCount": 1,
    "instanceType": None,
    "locations": None,
    "maxInstanceCount": None,
    "properties": None,
}
_INFINITE = "infinite_space_size"


def sweep_properties(given: dict[str, Any]) -> dict[str, Any]:
    """The properties of a sweep job as the service returns them. `given` has been read without an error."""
    objective = given.get("objective") or {}
    sampling = given.get("samplingAlgorithm") or {"samplingAlgorithmType": "Random"}
    if str(sampling.get("samplingAlgorithmType")).lower() == "random":
        rule = str(sampling.get("rule") or "Random").capitalize()
        sampling = {"logbase": None, "seed": None, **sampling, "rule": rule}
    trial = {"distribution": None, "environmentVariables": {}, "resources": _RESOURCES, **(given.get("trial") or {})}
    limits = {"timeout": None, "trialTimeout": None, **(given.get("limits") or {})}
    return {
        **dict.fromkeys(_UNSET),
        **given,
        "limits": limits,
        "objective": {**objective, "goal": str(field_of(objective, "goal")).capitalize()},
        "samplingAlgorithm": sampling,
        "trial": trial,
    }


def run_properties(settings: SweepSettings, size: int | None) -> dict[str, str]:
    """The properties that the service adds to a sweep when it starts."""
    goal = "maximize" if settings.maximize else "minimize"
    return {
        "azureml.runsource": "hyperdrive",
        "platform": "AML",
        "primary_metric_config": json.dumps({"name": settings.metric, "goal": goal}, separators=(",", ":")),
        "resume_from": "null",
        "runTemplate": "HyperDrive",
        "space_size": _INFINITE if size is None else str(size),
    }


def run_tags(settings: SweepSettings, sampled: Mapping[str, Mapping[str, Any]], *, all_sampled: bool) -> dict[str, str]:
    """The tags that the service keeps on a sweep, among them the parameters of each trial by its name."""
    limited = {} if settings.timeout is None else {"max_duration_minutes": f"{settings.timeout / _MINUTE:g}"}
    tags = {
        "all_jobs_generated": str(all_sampled).lower(),
        "max_concurrent_jobs": str(settings.max_concurrent),
        "max_total_jobs": str(settings.max_trials),
        **limited,
        **{name: json.dumps(parameters, sort_keys=True) for name, parameters in sampled.items()},
    }
    return {f"_aml_system_{name}": text for name, text in tags.items()}


def best_properties(name: str, score: float) -> dict[str, str]:
    """The properties by which the SDK and Studio find the best trial."""
    return {
        "best_child_run_id": name,
        "best_data_container_id": f"dcid.{name}",
        "best_metric_status": "Succeeded",
        "score": repr(score),
    }


def trial_properties(step: Step, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a trial: a command job, which clients may read as any other."""
    return {
        "codeId": step.code,
        "command": step.command,
        "environmentId": step.environment,
        "environmentVariables": step.environment_variables,
        "inputs": {name: given for name, given in _inputs(step).items() if given is not None},
        "outputs": {name: {"jobOutputType": output.type} for name, output in step.outputs.items()},
        "parameters": dict(parameters),
        "properties": {},
        "tags": {**step.tags, "hyperparameters": json.dumps(parameters, sort_keys=True)},
    }


def _inputs(step: Step) -> dict[str, dict[str, Any] | None]:
    inputs: dict[str, dict[str, Any] | None] = {}
    for name, step_input in step.inputs.items():
        match step_input.source:
            case Data(uri=uri, type=kind):
                inputs[name] = {"jobInputType": kind, "uri": uri}
            case FromStep():
                inputs[name] = None
            case literal:
                inputs[name] = {"jobInputType": "literal", "value": literal.text}
    return inputs
