"""Reads AutoML tasks: a job as a graph of one step, a node of a pipeline as one with a component. Pure: no I/O.

The component is the emulator's own: it reads the tables, and its command is that of a trial.
"""

from __future__ import annotations

from typing import Any

from azureml_emulator.jobs.automl.settings import read_automl
from azureml_emulator.jobs.definitions.automl import BEST_MODEL, SETTINGS_VARIABLE, TEST, TRAINING, VALIDATION
from azureml_emulator.jobs.definitions.steps import Data, FromStep, Graph, Step, StepInput, StepOutput
from azureml_emulator.jobs.definitions.sweep import SweepSettings
from azureml_emulator.jobs.definitions.wire import arm_id, field_of, read_input, refuse

AUTOML = "automl"
_COMMAND = "python -m azureml_emulator.jobs.automl"
_TABLE, _MODEL = "mltable", "mlflow_model"
_PARTS = {TRAINING: "trainingData", VALIDATION: "validationData", TEST: "testData"}


def read_automl_job(name: str, properties: dict[str, Any]) -> Graph:
    """The graph of an AutoML job. Raises BadRequest, and NotModelled for a task that the emulator does not run."""
    details = properties.get("taskDetails") or {}
    search = read_automl(details)
    tables = {part: _table(details[field]) for part, field in _PARTS.items() if details.get(field)}
    if TRAINING not in tables:
        raise refuse("An AutoML job needs training_data.", "trainingData")
    given = (properties.get("outputs") or {}).get(BEST_MODEL) or {}
    step = Step(
        name=name,
        display_name=properties.get("displayName") or name,
        command=_COMMAND,
        inputs=tables,
        outputs={BEST_MODEL: StepOutput(_MODEL, given.get("uri") or None, exposed_as=BEST_MODEL)},
        code=None,
        environment=None,
        environment_variables=_variables(search),
        timeout=None,
        deterministic=False,
        compute=arm_id(properties.get("computeId")),
        sweep=search,
    )
    return Graph({name: step}, {BEST_MODEL: FromStep(name, BEST_MODEL)})


def automl_component(node: dict[str, Any]) -> dict[str, Any]:
    """The specification of the component that an AutoML node stands for."""
    return {
        "type": "command",
        "command": _COMMAND,
        "inputs": {part: {"type": _TABLE, "optional": part != TRAINING} for part in _PARTS},
        "outputs": {BEST_MODEL: {"type": _MODEL}},
        "is_deterministic": False,
        "environment_variables": _variables(read_automl(node)),
    }


def search_of_node(node: dict[str, Any]) -> SweepSettings | None:
    """The search of an AutoML node; None for other nodes."""
    return read_automl(node) if str(node.get("type")).lower() == AUTOML else None


def with_inputs(node: dict[str, Any]) -> dict[str, Any]:
    """The node with its tables as inputs, where a node with a component has them; other nodes as they are."""
    if str(node.get("type")).lower() != AUTOML:
        return node
    tables = {part: field_of(node, field) for part, field in _PARTS.items() if field_of(node, field)}
    rest = {name: value for name, value in node.items() if name not in {*_PARTS, *_PARTS.values()}}
    return {**rest, "inputs": tables}


def _table(given: Any) -> StepInput:
    source = read_input("data", given)
    if not isinstance(source, Data) or source.type != _TABLE:
        raise refuse("The data of an AutoML job must be of type mltable: a folder with a file MLTable.", "trainingData")
    return StepInput(_TABLE, source, source.mode)


def _variables(search: SweepSettings) -> dict[str, str]:
    return {} if search.automl is None else {SETTINGS_VARIABLE: search.automl.as_text()}
