"""Reads data_transfer steps that copy between datastores; `not_run.py` has imports and exports. Pure: no I/O."""

from __future__ import annotations

from typing import Any

from azureml_emulator.jobs.copy_data import FAIL, OVERWRITE
from azureml_emulator.jobs.definitions.wire import refuse

DATA_TRANSFER = "data_transfer"
COPY = "copy_data"
_PROGRAM = "azureml_emulator.jobs.copy_data"
_MODES = (OVERWRITE, FAIL)


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
