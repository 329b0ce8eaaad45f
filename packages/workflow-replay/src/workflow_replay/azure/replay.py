"""A pipeline file of a repository, replayed for an event: read, decided, checked and run."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from threading import Semaphore

from workflow_replay.azure.effects import EFFECTS
from workflow_replay.azure.expressions.functions import formatted
from workflow_replay.azure.pipeline.model import Job, Pipeline, Step
from workflow_replay.azure.pipeline.reading import pipeline as read_pipeline
from workflow_replay.azure.pipeline.reading import start as read_start
from workflow_replay.azure.pipeline.triggers import BuildValidation, Decision
from workflow_replay.azure.running.job_running import job_id
from workflow_replay.azure.running.predefined import RunFacts, of_run
from workflow_replay.azure.running.results import conclusion
from workflow_replay.azure.running.scripts import NATIVE_TASKS
from workflow_replay.azure.running.session import Session
from workflow_replay.azure.running.stage_running import run_stages
from workflow_replay.azure.situation import Situation, situate
from workflow_replay.azure.templates.expansion import expand, expand_start
from workflow_replay.effects import Effects
from workflow_replay.errors import ParameterMissing
from workflow_replay.events import Event
from workflow_replay.git import Repository
from workflow_replay.record import Run
from workflow_replay.stopping import Cancellation
from workflow_replay.surroundings import Surroundings

_DEFAULT_NUMBER = "$(Date:yyyyMMdd)$(Rev:.r)"
_DATE_PLACE = re.compile(r"\$\(Date:([^)]+)\)", re.IGNORECASE)
_NUMBER_TOKENS = {
    "BuildDefinitionName": "Build.DefinitionName",
    "BuildID": "Build.BuildId",
    "SourceBranchName": "Build.SourceBranchName",
    "TeamProject": "System.TeamProject",
}
_PIPELINE_FILE = re.compile(r"azure-pipelines\.ya?ml|\.azuredevops/[^/]+\.ya?ml")
_NO_POLICIES: Mapping[str, BuildValidation] = {}
_REVISION = re.compile("r+")
_REVISION_PLACE = re.compile(r"\$\(Rev:([^)]+)\)", re.IGNORECASE)


def replay(
    repository: Path,
    file: str,
    event: Event,
    surroundings: Surroundings | None = None,
    *,
    policy: BuildValidation | None = None,
) -> Run:
    """Replay a pipeline file ("azure-pipelines.yml") of a repository (bare, or a checkout) for an event.

    The file, its templates and the sources are those of the event's commit. Pull requests start a pipeline by a
    build validation `policy` only, as in Azure Repos. `surroundings.owner` and `name` are organization and project;
    variable groups are `environment_variables` and `environment_secrets` by the group's name. An event that does not
    start the pipeline gives a run that was not triggered, and why.
    Raises WorkflowError for a file that the service would refuse, UnknownStep for a task without an effect,
    EventError and RepositoryError. What fails while it runs raises nothing: that is the run's conclusion.
    """
    around = surroundings or Surroundings()
    return _replay(repository, file, situate(repository, event, policy), around)


def replay_all(
    repository: Path,
    event: Event,
    surroundings: Surroundings | None = None,
    *,
    policies: Mapping[str, BuildValidation] = _NO_POLICIES,
) -> tuple[Run, ...]:
    """Replay all pipelines of a repository that an event starts, one after the other, by the names of their files.

    Pipelines are azure-pipelines.yml and the files right in .azuredevops; `policies` are by file. Raises as `replay`.
    """
    around = surroundings or Surroundings()
    commit = situate(repository, event, None).commit
    files = [name for name in Repository(repository).files(commit) if _PIPELINE_FILE.fullmatch(name)]
    runs = (_replay(repository, name, situate(repository, event, policies.get(name)), around) for name in files)
    return tuple(run for run in runs if run.triggered)


def read(repository: Path, file: str, event: Event) -> Pipeline:
    """Return the pipeline of a file as an event would have it, without running it. Raises as `replay` does."""
    situation = situate(repository, event, None)
    return _read(repository, file, situation, _facts(repository, file, situation, Surroundings()))[0]


def _replay(repository: Path, file: str, situation: Situation, around: Surroundings) -> Run:
    name = PurePosixPath(file).stem
    try:
        pipeline, facts = _read(repository, file, situation, _facts(repository, file, situation, around))
    except ParameterMissing:
        # Only somebody who gives the values can start it: no other event is refused for that.
        decision = situation.decide(_start(repository, file, situation))
        if decision.starts:
            raise
        return _not_started(name, file, decision, around)
    decision = situation.decide(pipeline)
    if not decision.starts:
        return _not_started(name, file, decision, around)
    effects = EFFECTS.with_(around.effects)
    _check_tasks(pipeline, effects)
    # Variables of a resource that triggers are known only after the decision.
    facts = replace(facts, extra={**facts.extra, **situation.variables})
    if situation.from_fork:
        around = _without_secrets(around)
    with _scratch(around) as scratch:
        places = Semaphore(around.maximum_parallel_jobs)
        session = Session(
            pipeline, facts, around, effects, scratch, name, Cancellation(around.cancellation), places=places
        )
        return _run(session)


def _not_started(name: str, file: str, decision: Decision, around: Surroundings) -> Run:
    run = Run("azure", name, file, "skipped", triggered=False, reason=decision.reason)
    around.listener.run_ended(run)
    return run


def _without_secrets(around: Surroundings) -> Surroundings:
    """Return what a pull request from a fork finds: the service keeps secrets from somebody else's code."""
    return replace(around, secrets={}, environment_secrets={group: {} for group in around.environment_secrets})


def _run(session: Session) -> Run:
    begun = time.monotonic()
    session.check_groups()
    pipeline, listener = session.pipeline, session.listener
    jobs = tuple(job_id(stage, job.name) for stage in pipeline.stages for job in stage.jobs)
    listener.run_planned(session.run_name, jobs)
    result, runs = run_stages(session)
    seconds = time.monotonic() - begun
    run = Run("azure", session.run_name, pipeline.file, conclusion(result), runs, seconds=seconds)
    listener.run_ended(run)
    return run


def _read(repository: Path, file: str, situation: Situation, facts: RunFacts) -> tuple[Pipeline, RunFacts]:
    source = Repository(repository)
    tree = expand(lambda path: source.read(situation.commit, path), file, of_run(facts), situation.arguments)
    found = read_pipeline(tree, file)
    number = {"Build.BuildNumber": _number(found.name or _DEFAULT_NUMBER, facts)}
    return found, replace(facts, extra={**facts.extra, **number})


def _start(repository: Path, file: str, situation: Situation) -> Pipeline:
    source = Repository(repository)
    return read_start(expand_start(lambda path: source.read(situation.commit, path), file), file)


def _facts(repository: Path, file: str, situation: Situation, around: Surroundings) -> RunFacts:
    source = Repository(repository)
    author, address = source.author(situation.commit)
    return RunFacts(
        pipeline=PurePosixPath(file).stem,
        organization=around.owner,
        project=around.name,
        repository=repository,
        reason=situation.reason,
        ref=situation.ref,
        commit=situation.commit,
        message=situation.message,
        requested_for=situation.actor or author,
        requested_for_email=address,
        started=datetime.now(UTC),
        extra=dict(situation.variables),
    )


def _number(pattern: str, facts: RunFacts) -> str:
    """Return the run's number: dates filled in, and the first revision, since it is the first run."""
    dated = _DATE_PLACE.sub(lambda match: formatted(f"{{0:{match.group(1)}}}", facts.started), pattern)
    numbered = _REVISION_PLACE.sub(lambda match: _REVISION.sub(_first_revision, match.group(1)), dated)
    variables = of_run(facts)
    known = variables | {token: variables[name] for token, name in _NUMBER_TOKENS.items()}
    for name, value in known.items():
        numbered = numbered.replace(f"$({name})", value)
    return numbered


def _first_revision(match: re.Match[str]) -> str:
    return "1".zfill(len(match.group()))


def _check_tasks(pipeline: Pipeline, effects: Effects) -> None:
    """Look for every task before anything runs. Raises UnknownStep."""
    for stage in pipeline.stages:
        for job in stage.jobs:
            for step in _steps(job):
                name = step.subject.partition("@")[0]
                if step.kind == "task" and name.lower() not in NATIVE_TASKS:
                    effects.named(name, str(step.place))


def _steps(job: Job) -> Iterator[Step]:
    yield from job.steps
    for steps in job.hooks.steps.values() if job.hooks else ():
        yield from steps


@contextmanager
def _scratch(around: Surroundings) -> Generator[Path]:
    if around.scratch is not None:
        yield Path(tempfile.mkdtemp(prefix="run-", dir=around.scratch))
        return
    with tempfile.TemporaryDirectory(prefix="replay-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
