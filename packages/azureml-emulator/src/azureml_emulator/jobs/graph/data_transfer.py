"""Reads data_transfer steps: copies between datastores. Imports and exports are refused by name. Pure: no I/O."""

from __future__ import annotations

from typing import Any

from azureml_emulator.jobs.copy_data import FAIL, OVERWRITE
from azureml_emulator.jobs.definitions.wire import refuse
from azureml_emulator.kernel.errors import NotModelled

DATA_TRANSFER = "data_transfer"
_COPY = "copy_data"
_PROGRAM = "azureml_emulator.jobs.copy_data"
_MODES = (OVERWRITE, FAIL)


def refuse_other_tasks(node: dict[str, Any], where: str) -> None:
    """Raise NotModelled for a data_transfer node that imports or exports: the emulator has no such sources."""
    task = str(node.get("task") or _COPY).lower()
    if task != _COPY:
        raise NotModelled(
            f"The step '{where}' is of type {DATA_TRANSFER} with the task {task}: the emulator has no databases and "
            "file systems behind connections. Put the data into a datastore, and read it from there."
        )


def copy_command(specification: dict[str, Any], inputs: dict[str, Any], where: str) -> str:
    """The command that copies the given inputs to the output. Raises BadRequest."""
    outputs = list(specification.get("outputs") or {})
    if len(outputs) != 1:
        raise refuse(f"'{where}' copies to one output, not to {len(outputs)}.", "outputs")
    mode = specification.get("data_copy_mode") or (OVERWRITE if len(inputs) == 1 else None)
    if mode not in _MODES:
        raise refuse(f"'{where}': data_copy_mode is '{mode}'; it must be one of {', '.join(_MODES)}.", "data_copy_mode")
    sources = " ".join(f"${{{{inputs.{name}}}}}" for name in inputs)
    return f"python -m {_PROGRAM} {mode} ${{{{outputs.{outputs[0]}}}}} {sources}"
