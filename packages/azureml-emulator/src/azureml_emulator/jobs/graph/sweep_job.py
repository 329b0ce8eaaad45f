"""Reads a sweep job as a graph of one step, whose command is that of its trials. Pure: no I/O."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from azureml_emulator.jobs.definitions.steps import Graph, Step
from azureml_emulator.jobs.definitions.sweep import SweepSettings
from azureml_emulator.jobs.definitions.wire import refuse
from azureml_emulator.jobs.graph.reader import read_command
from azureml_emulator.jobs.sweeps.settings import read_sweep_settings

_PARAMETER = re.compile(r"\$\{\{\s*search_space\.([\w.-]+?)\s*\}\}")


def read_sweep(name: str, properties: dict[str, Any]) -> Graph:
    """The graph of a sweep job. Raises BadRequest, and NotModelled for trials of several processes.

    A parameter that the search space does not have stays in the command, as on Azure, where such a trial fails.
    """
    settings = read_sweep_settings(properties, {})
    trial = properties.get("trial") or {}
    if not trial:
        raise refuse("A sweep job needs a trial: its command, environment and code.", "trial")
    inputs = {key: value for key, value in (properties.get("inputs") or {}).items() if key not in settings.space}
    placeholders = {key: {"jobInputType": "literal", "value": ""} for key in settings.space}
    command = _PARAMETER.sub(
        lambda match: f"${{{{inputs.{match[1]}}}}}" if match[1] in settings.space else match[0],
        str(trial.get("command") or ""),
    )
    given = {**properties, **trial, "command": command, "inputs": {**inputs, **placeholders}, "limits": None}
    graph = read_command(name, given)
    return replace(graph, steps={name: _with_sweep(graph.steps[name], settings)})


def _with_sweep(step: Step, settings: SweepSettings) -> Step:
    kept = {key: value for key, value in step.inputs.items() if key not in settings.space}
    return replace(step, inputs=kept, sweep=settings)
