"""Steps that do not run a script: tasks by their declared effect, checkouts by git, artifacts by the effect of a task.

As in pipelines created since September 2022, a clone has one commit unless `fetchDepth` says otherwise.
"""

from __future__ import annotations

from workflow_replay.azure.pipeline.model import Step
from workflow_replay.azure.state.job_state import JobState
from workflow_replay.azure.state.results import Result
from workflow_replay.azure.steps.attempt import Attempt, reported_result
from workflow_replay.azure.steps.step_output import StepOutput
from workflow_replay.common.checkout import check_out
from workflow_replay.effects import EffectContext, EffectFailed, EffectResult
from workflow_replay.errors import RepositoryError, Unreplayable

DEFAULT_DEPTH = 1
_SOURCES = ("Build.SourcesDirectory", "Build.Repository.LocalPath", "System.DefaultWorkingDirectory")


def run(step: Step, subject: str, inputs: dict[str, str], state: JobState, output: StepOutput) -> Attempt:
    """Run a step once; `subject` and `inputs` are those of the step, with macros expanded.

    Raises Unreplayable for what cannot be replayed, WorkflowError for what the service would reject.
    """
    uses = subject if step.kind == "task" else step.kind
    try:
        _run_by_kind(step, subject, inputs, state, output)
    except (EffectFailed, RepositoryError) as error:
        output.annotate("error", str(error))
        return Attempt(Result.FAILED, uses=uses)
    return Attempt(reported_result(output), uses=uses)


def simulate(step: Step, task: str, inputs: dict[str, str], state: JobState, output: StepOutput) -> EffectResult:
    """Run the effect of a task. Raises UnknownStep and EffectFailed."""
    effect = state.session.effects.find(task.partition("@")[0], str(step.location))
    result = effect(inputs, _context(step, state, output))
    for mask in result.masks:
        state.session.masks.add(mask)
    return result


def _run_by_kind(step: Step, subject: str, inputs: dict[str, str], state: JobState, output: StepOutput) -> None:
    match step.kind:
        case "checkout":
            _check_out(step, subject, inputs, state, output)
        case "download" if subject == "none":
            output.log("nothing to download")
        case "download":
            _task(step, "DownloadPipelineArtifact@2", _download_inputs(subject, inputs, state), state, output)
        case "publish" | "upload":
            _task(step, "PublishPipelineArtifact@1", {"path": subject, **inputs}, state, output)
        case _:
            _task(step, subject, inputs, state, output)


def _task(step: Step, task: str, inputs: dict[str, str], state: JobState, output: StepOutput) -> None:
    result = simulate(step, task, inputs, state, output)
    for key, value in result.outputs.items():
        output.set_output(key, value)
    state.variables.put_all(result.variables)
    output.paths += result.paths
    if result.post is not None:
        state.post.append(result.post)


def _download_inputs(subject: str, inputs: dict[str, str], state: JobState) -> dict[str, str]:
    artifact = inputs.get("artifact", "")
    path = inputs.get("path") or str(state.folders.workspace / artifact)
    return {"source": subject, "artifact": artifact, "patterns": inputs.get("patterns", ""), "path": path}


def _check_out(step: Step, subject: str, inputs: dict[str, str], state: JobState, output: StepOutput) -> None:
    if subject == "none":
        return
    if subject != "self":
        message = (
            f"only `checkout: self` can be replayed: {subject} is another repository, which a replay does not have"
        )
        raise Unreplayable(step.location.limit(message))
    if state.sources is not None:
        output.log(f"{state.sources} has been checked out already")
        return
    target = state.folders.workspace / (inputs.get("path") or "s")
    depth = inputs.get("fetchDepth") or str(DEFAULT_DEPTH)
    if not depth.isdigit():
        raise step.location.error(f"fetchDepth must be a number, not '{depth}'")
    facts = state.session.facts
    remote_url = state.session.host.remote_url
    check_out(facts.repository, facts.commit, target, depth=int(depth) or None, remote_url=remote_url)
    state.sources = target
    for name in _SOURCES:
        state.variables.put(name, str(target))
    output.log(f"checked out {facts.commit}")


def _context(step: Step, state: JobState, output: StepOutput) -> EffectContext:
    facts = state.session.facts
    environment = state.instance.job.environment
    own = {key: state.variables.expand(value) for key, value in step.environment.items()}
    return EffectContext(
        repository=facts.repository,
        commit=facts.commit,
        ref=facts.ref,
        workspace=state.folders.workspace,
        temporary=state.folders.temporary,
        artifacts=state.session.artifacts,
        variables=state.environment(own),
        log=output.log,
        token=state.variables.get("System.AccessToken") or "",
        job=state.id,
        environment=environment.name if environment else None,
        event=facts.reason,
        remote_url=state.session.host.remote_url,
    )
