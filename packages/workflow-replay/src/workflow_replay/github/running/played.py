"""Steps of other people: played by their declared effect."""

from __future__ import annotations

from workflow_replay.effects import EffectContext, EffectFailed
from workflow_replay.errors import WorkflowError
from workflow_replay.github.running.frame import Frame
from workflow_replay.github.running.step_log import StepLog
from workflow_replay.github.running.variables import process_variables
from workflow_replay.github.running.work import Work
from workflow_replay.github.workflow import Step


def action_name(uses: str) -> str:
    """The name of an action without its version."""
    return uses.rpartition("@")[0] if "@" in uses else uses


def play(frame: Frame, step: Step, env: dict[str, str], log: StepLog, name: str) -> Work:
    """Play a step of somebody else's. Raises UnknownStep, and WorkflowError for expressions that make no value."""
    uses = step.uses or ""
    if "@" not in uses and not uses.startswith("docker://"):
        raise WorkflowError(frame.file, step.line, f"{uses!r} needs a version: owner/name@version")
    job = frame.job
    effect = job.session.effects.named(action_name(uses), f"{frame.file}:{step.line}")
    inputs = frame.texts(step.inputs, frame.scope(env))
    try:
        result = effect(inputs, _context(frame, env, log))
    except EffectFailed as error:
        log.wrong(str(error))
        return Work(failed=True, uses=action_name(uses))
    for mask in result.masks:
        job.session.masks.add(mask)
    if result.at_end is not None:
        job.at_end.append((f"Post {name}", result.at_end))
    return Work(
        uses=action_name(uses), outputs=dict(result.outputs), variables=dict(result.variables), paths=result.paths
    )


def _context(frame: Frame, env: dict[str, str], log: StepLog) -> EffectContext:
    job = frame.job
    return EffectContext(
        repository=job.session.repository,
        commit=job.session.situation.commit,
        ref=job.session.situation.ref,
        workspace=job.workspace,
        temporary=job.temporary,
        artifacts=job.session.artifacts,
        variables=process_variables(frame, env),
        say=log.line,
        scopes=job.scopes,
        token=job.token,
        job=job.id,
        environment=job.environment,
        event=job.session.situation.name,
        origin=job.session.surroundings.origin,
    )
