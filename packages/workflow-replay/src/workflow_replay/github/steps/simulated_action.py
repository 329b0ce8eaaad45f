"""Third-party actions: simulated by their declared effect."""

from __future__ import annotations

from workflow_replay.effects import EffectContext, EffectFailed
from workflow_replay.errors import WorkflowError
from workflow_replay.github.definition.model import LOCAL, Step
from workflow_replay.github.steps.frame import Frame
from workflow_replay.github.steps.process_environment import process_environment
from workflow_replay.github.steps.step_execution import StepExecution
from workflow_replay.github.steps.step_log import StepLog


def simulate(frame: Frame, step: Step, env: dict[str, str], log: StepLog, name: str) -> StepExecution:
    """Run the effect of an action. Raises UnknownStep, and WorkflowError for invalid expressions."""
    uses = step.uses or ""
    if "@" not in uses and not uses.startswith(("docker://", LOCAL)):
        raise WorkflowError(frame.file, step.line, f"{uses!r} needs a version: owner/name@version")
    job = frame.job
    effect = job.session.effects.find(step.action_name, f"{frame.file}:{step.line}")
    inputs = frame.texts(step.inputs, frame.scope(env))
    try:
        result = effect(inputs, _context(frame, env, log))
    except EffectFailed as error:
        log.add_error(str(error))
        return StepExecution(failed=True, uses=step.action_name)
    for mask in result.masks:
        job.session.masks.add(mask)
    if result.post is not None:
        job.post.append((f"Post {name}", result.post))
    return StepExecution(
        uses=step.action_name, outputs=dict(result.outputs), variables=dict(result.variables), paths=result.paths
    )


def _context(frame: Frame, env: dict[str, str], log: StepLog) -> EffectContext:
    job = frame.job
    return EffectContext(
        repository=job.session.repository,
        commit=job.session.run_context.commit,
        ref=job.session.run_context.ref,
        workspace=job.workspace,
        temporary=job.temporary,
        artifacts=job.session.artifacts,
        variables=process_environment(frame, env),
        log=log.line,
        scopes=job.scopes,
        token=job.token,
        job=job.id,
        environment=job.environment,
        event=job.session.run_context.name,
        remote_url=job.session.host.remote_url,
    )
