"""Prepares a parallel step: writes the plan for its driver, and returns its environment variables."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from azureml_emulator.jobs.definitions.steps import ParallelSettings
from azureml_emulator.jobs.parallel.plan import PLAN_VARIABLE, RunPlan

_MODEL_VARIABLE = "AZUREML_MODEL_DIR"
_SCORE_VARIABLE = "AZUREML_BI_OUTPUT_PATH"
_FILE_OUTPUT = "uri_file"
_FOLDER_MODE = 0o700


@dataclass(frozen=True)
class ParallelPaths:
    """The paths of a parallel step: plan, inputs, outputs (with their types), folder above its model, interpreter."""

    plan: Path
    inputs: dict[str, Path]
    outputs: dict[str, Path]
    output_types: dict[str, str]
    model: Path | None
    interpreter: Path


def parallel_variables(settings: ParallelSettings, paths: ParallelPaths) -> dict[str, str]:
    """Write the plan. Returns the variables with its path, and with those of the model and the score output."""
    source = paths.inputs[settings.input_name]
    read = str(source)
    append = _append_path(settings, paths)
    script = settings.entry_script or str(_copy_of_scorer(paths.plan.parent))
    RunPlan(settings, script, read, append, str(paths.interpreter)).write(paths.plan)
    variables = {PLAN_VARIABLE: str(paths.plan)}
    if paths.model is not None:
        variables[_MODEL_VARIABLE] = str(paths.model)
    if settings.score_output is not None:
        variables[_SCORE_VARIABLE] = str(paths.outputs[settings.score_output])
    return variables


def _copy_of_scorer(folder: Path) -> Path:
    """A copy of the emulator's script for MLflow models, in a folder without other modules."""
    source = files("azureml_emulator.jobs.parallel") / "mlflow_scorer.py"
    target = folder / source.name
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    return target


def _append_path(settings: ParallelSettings, paths: ParallelPaths) -> str | None:
    if settings.append_to is None:
        return None
    path = paths.outputs[settings.append_to]
    return str(path if paths.output_types[settings.append_to] == _FILE_OUTPUT else path / settings.append_name)
