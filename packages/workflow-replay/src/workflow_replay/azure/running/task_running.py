"""A step that is no script: a task by its effect, a clone by git, artifacts by the effects of their tasks.

Assumed: a clone has one commit unless `fetchDepth: 0` says all, as in pipelines made since 2022.
"""

from __future__ import annotations

from workflow_replay.azure.pipeline.model import Step
from workflow_replay.azure.running.attempt import Attempt, judged
from workflow_replay.azure.running.job_state import JobState
from workflow_replay.azure.running.results import Result
from workflow_replay.azure.running.sink import Sink
from workflow_replay.checkout import check_out
from workflow_replay.effects import EffectContext, EffectFailed, EffectResult
from workflow_replay.errors import RepositoryError

DEFAULT_DEPTH = 1
_SOURCES = ("Build.SourcesDirectory", "Build.Repository.LocalPath", "System.DefaultWorkingDirectory")


def run(step: Step, subject: str, inputs: dict[str, str], state: JobState, sink: Sink) -> Attempt:
    """Carry out a step once; `subject` and `inputs` are the step's, without macros.

    Raises WorkflowError and UnknownStep for what cannot be replayed.
    """
    uses = subject if step.kind == "task" else step.kind
    try:
        _carry_out(step, subject, inputs, state, sink)
    except (EffectFailed, RepositoryError) as error:
        sink.annotate("error", str(error))
        return Attempt(Result.FAILED, uses=uses)
    return Attempt(judged(sink), uses=uses)


def play(step: Step, task: str, inputs: dict[str, str], state: JobState, sink: Sink) -> EffectResult:
    """Return what the effect of a task leaves behind. Raises UnknownStep and EffectFailed."""
    effect = state.session.effects.named(task.partition("@")[0], str(step.place))
    done = effect(inputs, _context(step, state, sink))
    for mask in done.masks:
        state.session.masks.add(mask)
    return done


def _carry_out(step: Step, subject: str, inputs: dict[str, str], state: JobState, sink: Sink) -> None:
    match step.kind:
        case "checkout":
            _check_out(step, subject, inputs, state, sink)
        case "download" if subject == "none":
            sink.say("nothing to download")
        case "download":
            _task(step, "DownloadPipelineArtifact@2", _download_inputs(subject, inputs, state), state, sink)
        case "publish":
            _task(step, "PublishPipelineArtifact@1", {"path": subject, **inputs}, state, sink)
        case _:
            _task(step, subject, inputs, state, sink)


def _task(step: Step, task: str, inputs: dict[str, str], state: JobState, sink: Sink) -> None:
    done = play(step, task, inputs, state, sink)
    for key, value in done.outputs.items():
        sink.output(key, value)
    state.variables.put_all(done.variables)
    sink.paths += done.paths
    if done.at_end is not None:
        state.endings.append(done.at_end)


def _download_inputs(subject: str, inputs: dict[str, str], state: JobState) -> dict[str, str]:
    artifact = inputs.get("artifact", "")
    path = inputs.get("path") or str(state.folders.workspace / artifact)
    return {"source": subject, "artifact": artifact, "patterns": inputs.get("patterns", ""), "path": path}


def _check_out(step: Step, subject: str, inputs: dict[str, str], state: JobState, sink: Sink) -> None:
    if subject == "none":
        return
    if subject != "self":
        raise step.place.wrong(f"Only `checkout: self` can be replayed, not {subject}")
    if state.sources is not None:
        sink.say(f"{state.sources} is checked out already")
        return
    target = state.folders.workspace / (inputs.get("path") or "s")
    depth = inputs.get("fetchDepth") or str(DEFAULT_DEPTH)
    if not depth.isdigit():
        raise step.place.wrong(f"fetchDepth is a number, not '{depth}'")
    facts = state.session.facts
    origin = state.session.surroundings.origin
    check_out(facts.repository, facts.commit, target, depth=int(depth) or None, origin=origin)
    state.sources = target
    for name in _SOURCES:
        state.variables.put(name, str(target))
    sink.say(f"checked out {facts.commit}")


def _context(step: Step, state: JobState, sink: Sink) -> EffectContext:
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
        say=sink.say,
        token=state.variables.get("System.AccessToken") or "",
        job=state.id,
        environment=environment.name if environment else None,
        event=facts.reason,
        origin=state.session.surroundings.origin,
    )
