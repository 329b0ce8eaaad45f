"""Composite actions of the repository: steps inside a step, with inputs and outputs of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from workflow_replay.errors import WorkflowError
from workflow_replay.github import places
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.values import Value, to_text
from workflow_replay.github.loading import read_composite
from workflow_replay.github.running.frame import Frame
from workflow_replay.github.running.step_log import StepLog
from workflow_replay.github.running.work import Work
from workflow_replay.github.workflow import Composite, Step

_FILES: Final = ("action.yml", "action.yaml")
# What a composite action may look at; it has nothing of the caller's secrets and of what the job needs.
_VISIBLE: Final = ("github", "strategy", "matrix", "runner")
_DEEPEST: Final = 10

RunSteps = Callable[[Frame, Sequence[Step]], None]


def run(frame: Frame, step: Step, env: dict[str, str], log: StepLog, run_steps: RunSteps, name: str) -> Work:
    """Run the action in a folder of the workspace. Raises WorkflowError when it is none."""
    if frame.prefix.count(" / ") >= _DEEPEST:
        raise WorkflowError(frame.file, step.line, f"composite actions call each other deeper than {_DEEPEST}")
    path = step.uses or ""
    action = _read(frame, step, path)
    inner = _inner(frame, step, path, action, env, name)
    for input_name in frame.texts(step.inputs, frame.scope(env)):
        if input_name.lower() not in {known.lower() for known in action.inputs}:
            log.doubt(f"Unexpected input {input_name!r}; {action.name} has: {', '.join(action.inputs) or 'none'}")
    run_steps(inner, action.steps)
    outputs = {key: to_text(inner.value(raw, inner.scope())) for key, raw in action.outputs.items()}
    if inner.status == "success" and frame.job.cancellation.is_cancelled:
        return Work(ending="cancelled", outputs=outputs)
    return Work(failed=inner.status != "success", outputs=outputs)


def _read(frame: Frame, step: Step, path: str) -> Composite:
    folder = (frame.job.workspace / path).resolve()
    file = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    if file is None:
        message = f"cannot find {path}/action.yml in the workspace. Did an earlier step run actions/checkout?"
        raise WorkflowError(frame.file, step.line, message)
    shown = file.relative_to(frame.job.workspace.resolve()) if file.is_relative_to(frame.job.workspace) else file
    return read_composite(file.read_text(encoding="utf-8"), str(shown))


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
        place=places.COMPOSITE,
        condition_place=places.COMPOSITE_IF,
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
