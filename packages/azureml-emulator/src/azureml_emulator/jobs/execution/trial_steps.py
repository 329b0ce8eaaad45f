"""Makes the step of one trial from that of its sweep. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from azureml_emulator.jobs.definitions.steps import Literal, Step, StepInput
from azureml_emulator.jobs.definitions.sweep import SweepSettings
from azureml_emulator.jobs.definitions.wire import check_literal
from azureml_emulator.jobs.sweeps.search_space import as_argument

Earlier = dict[str, dict[str, Path]]


def trial_step(sweep: Step, settings: SweepSettings, name: str, parameters: Mapping[str, Any]) -> Step:
    """The step that runs a trial: its parameters are inputs, and its outputs are in a folder of its own."""
    swept = {}
    for parameter, value in parameters.items():
        kind = str(settings.declared.get(parameter, {}).get("type", "string")).lower()
        swept[parameter] = StepInput(kind, Literal(as_argument(value, kind)))
    return replace(
        sweep,
        display_name=f"{sweep.display_name}_{name.rpartition('_')[2]}",
        inputs={**sweep.inputs, **swept},
        outputs={
            key: replace(output, uri=None, exposed_as=None, registrations=()) for key, output in sweep.outputs.items()
        },
        sweep=None,
        is_trial=True,
    )


def check_parameters(trial: Step, settings: SweepSettings) -> None:
    """Raise BadRequest for a parameter that the trial's component does not accept."""
    for name, declared in settings.declared.items():
        source = trial.inputs[name].source
        if isinstance(source, Literal):
            check_literal(source.text, dict(declared), f"search_space.{name}")
