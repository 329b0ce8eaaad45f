"""From a parallel step's settings and places to its plan and its environment variables. Writes the plan's file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azureml_emulator.jobs.definitions.steps import ParallelSettings
from azureml_emulator.jobs.parallel.plan import PLAN_VARIABLE, RunPlan

_MODEL_VARIABLE = "AZUREML_MODEL_DIR"
_SCORE_VARIABLE = "AZUREML_BI_OUTPUT_PATH"
_FILE_OUTPUT = "uri_file"


@dataclass(frozen=True)
class RunPlaces:
    """Where a step's things lie: its plan, inputs, outputs (with their types), and the folder above its model."""

    plan: Path
    inputs: dict[str, Path]
    outputs: dict[str, Path]
    output_types: dict[str, str]
    model: Path | None


def parallel_variables(settings: ParallelSettings, places: RunPlaces) -> dict[str, str]:
    """Write the plan; the variables that lead the driver to it and the entry script to its model and output."""
    RunPlan(settings, str(places.inputs[settings.input_name]), _append_path(settings, places)).write(places.plan)
    variables = {PLAN_VARIABLE: str(places.plan)}
    if places.model is not None:
        variables[_MODEL_VARIABLE] = str(places.model)
    if settings.score_output is not None:
        variables[_SCORE_VARIABLE] = str(places.outputs[settings.score_output])
    return variables


def _append_path(settings: ParallelSettings, places: RunPlaces) -> str | None:
    if settings.append_to is None:
        return None
    place = places.outputs[settings.append_to]
    return str(place if places.output_types[settings.append_to] == _FILE_OUTPUT else place / settings.append_name)
