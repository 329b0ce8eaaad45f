"""Composite actions of the repository: steps within a step, with inputs and outputs of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from workflow_replay.errors import WorkflowError
from workflow_replay.github.definition import availability
from workflow_replay.github.definition.loading import read_composite
from workflow_replay.github.definition.model import Composite, Step
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.values import Value, to_text
from workflow_replay.github.steps.frame import Frame
from workflow_replay.github.steps.step_execution import StepExecution
from workflow_replay.github.steps.step_log import StepLog

_FILES: Final = ("action.yml", "action.yaml")
# The contexts that a composite action shares with its caller: not `secrets` and `needs`.
_VISIBLE: Final = ("github", "strategy", "matrix", "runner")
_MAX_DEPTH: Final = 10

RunSteps = Callable[[Frame, Sequence[Step]], None]


def run(frame: Frame, step: Step, env: dict[str, str], log: StepLog, run_steps: RunSteps, name: str) -> StepExecution:
    """Run the composite action in a folder of the workspace.

    Raises WorkflowError if there is none, Unreplayable for another kind of action.
    """
    if frame.prefix.count(" / ") >= _MAX_DEPTH:
        raise WorkflowError(frame.file, step.line, f"composite actions are nested more than {_MAX_DEPTH} deep")
    path = step.uses or ""
    action = _read(frame, step, path)
    inner = _inner(frame, step, path, action, env, name)
    for input_name in frame.texts(step.inputs, frame.scope(env)):
        if input_name.lower() not in {declared.lower() for declared in action.inputs}:
            known = ", ".join(action.inputs) or "none"
            log.add_warning(f"Unexpected input {input_name!r}; the inputs of {action.name} are: {known}")
    run_steps(inner, action.steps)
    outputs = {key: to_text(inner.value(raw, inner.scope())) for key, raw in action.outputs.items()}
    if inner.status == "success" and frame.job.cancellation.is_cancelled:
        return StepExecution(termination="cancelled", outputs=outputs)
    return StepExecution(failed=inner.status != "success", outputs=outputs)


def _read(frame: Frame, step: Step, path: str) -> Composite:
    folder = (frame.job.workspace / path).resolve()
    file = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    if file is None:
        message = f"{path}/action.yml does not exist in the workspace. Did an earlier step run actions/checkout?"
        raise WorkflowError(frame.file, step.line, message)
    name = file.relative_to(frame.job.workspace.resolve()) if file.is_relative_to(frame.job.workspace) else file
    return read_composite(file.read_text(encoding="utf-8"), str(name))


def _inner(frame: Frame, step: Step, path: str, action: Composite, env: dict[str, str], name: str) -> Frame:
    action_path = str((frame.job.workspace / path).resolve())
    contexts: dict[str, Value] = {key: frame.contexts.get(key) for key in _VISIBLE}
    github = contexts["github"]
    contexts["github"] = {**(github if isinstance(github, dict) else {}), "action_path": action_path}
    given = {key.lower(): value for key, value in frame.texts(step.inputs, frame.scope(env)).items()}
    inner = Frame(
        job=frame.job,
        file=action.file,
        contexts=contexts,
        env={**frame.env, **env},
        available=availability.COMPOSITE,
        condition_available=availability.COMPOSITE_IF,
        prefix=f"{frame.prefix}{name} / ",
        overrides={**frame.overrides, "GITHUB_ACTION_PATH": action_path},
    )
    defaults = Scope({**contexts, "inputs": {}, "steps": {}, "env": None, "job": None})
    inner.contexts = {
        **contexts,
        "inputs": {
            key: given[key.lower()] if key.lower() in given else to_text(inner.value(known.default, defaults))
            for key, known in action.inputs.items()
        },
    }
    return inner
