"""Replays one pipeline file, or all pipelines that an event triggers."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from threading import Semaphore

from workflow_replay.azure.builtin_tasks import BUILTIN_TASKS
from workflow_replay.azure.expressions.functions import formatted
from workflow_replay.azure.pipeline.model import Pipeline
from workflow_replay.azure.pipeline.reading import pipeline as read_pipeline
from workflow_replay.azure.pipeline.reading import triggers as read_triggers
from workflow_replay.azure.pipeline.triggers import BuildValidation, Decision
from workflow_replay.azure.run_context import RunContext, build_run_context
from workflow_replay.azure.stages.job_runner import job_id
from workflow_replay.azure.stages.stage_runner import run_stages
from workflow_replay.azure.state.predefined_variables import RunFacts, run_variables
from workflow_replay.azure.state.results import conclusion
from workflow_replay.azure.state.session import Session
from workflow_replay.azure.templates.expansion import expand, expand_triggers
from workflow_replay.cancellation import Cancellation
from workflow_replay.common.git import Repository
from workflow_replay.common.scratch import scratch_folder
from workflow_replay.errors import ParameterMissing
from workflow_replay.events import Event
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import Run

# Not dev.azure.com: see state/predefined_variables.py.
_SERVER_URL = "https://dev.azure.invalid"
_DEFAULT_NUMBER = "$(Date:yyyyMMdd)$(Rev:.r)"
_DATE_PATTERN = re.compile(r"\$\(Date:([^)]+)\)", re.IGNORECASE)
_NUMBER_TOKENS = {
    "BuildDefinitionName": "Build.DefinitionName",
    "BuildID": "Build.BuildId",
    "SourceBranchName": "Build.SourceBranchName",
    "TeamProject": "System.TeamProject",
}
_PIPELINE_FILE = re.compile(r"azure-pipelines\.ya?ml|\.azuredevops/[^/]+\.ya?ml")
_NO_POLICIES: Mapping[str, BuildValidation] = {}
_REVISION = re.compile("r+")
_REVISION_PATTERN = re.compile(r"\$\(Rev:([^)]+)\)", re.IGNORECASE)


def replay(
    repository: Path,
    file: str,
    event: Event,
    host: HostEnvironment | None = None,
    *,
    policy: BuildValidation | None = None,
) -> Run:
    """Replay a pipeline file ("azure-pipelines.yml") for an event in a repository (bare, or with a working tree).

    The file, its templates and the sources are those of the event's commit. As in Azure Repos, pull requests trigger
    a pipeline only through a build validation `policy`. `host.owner` and `host.name` are the organization and the
    project; `host.environment_variables` and `host.environment_secrets` are keyed by variable group. If the event does
    not trigger the pipeline, the run has `triggered` False and a reason.

    Raises WorkflowError for a file that the service would reject, Unreplayable for a template of another repository or
    an unknown variable group of the whole file, EventError and RepositoryError. A failure of the run itself is its
    conclusion, not an exception; so is what a replay cannot do, at the step or job that needs it.
    """
    host = host or HostEnvironment()
    return _replay(repository, file, build_run_context(repository, event, policy), host)


def replay_all(
    repository: Path,
    event: Event,
    host: HostEnvironment | None = None,
    *,
    policies: Mapping[str, BuildValidation] = _NO_POLICIES,
) -> tuple[Run, ...]:
    """Replay all pipelines of a repository that an event triggers, one after the other, in the order of their files.

    Pipelines are azure-pipelines.yml and the files directly in .azuredevops; `policies` are keyed by file. Raises as
    `replay` does.
    """
    host = host or HostEnvironment()
    commit = build_run_context(repository, event, None).commit
    files = [name for name in Repository(repository).files(commit) if _PIPELINE_FILE.fullmatch(name)]
    runs = (_replay(repository, name, build_run_context(repository, event, policies.get(name)), host) for name in files)
    return tuple(run for run in runs if run.triggered)


def read(repository: Path, file: str, event: Event) -> Pipeline:
    """Return the pipeline of a file for an event without running it. Raises as `replay` does."""
    run_context = build_run_context(repository, event, None)
    return _read(repository, file, run_context, _facts(repository, file, run_context, HostEnvironment()))[0]


def _replay(repository: Path, file: str, run_context: RunContext, host: HostEnvironment) -> Run:
    name = PurePosixPath(file).stem
    try:
        pipeline, facts = _read(repository, file, run_context, _facts(repository, file, run_context, host))
    except ParameterMissing:
        # Only a manual run can provide parameters: an event that does not trigger the file is no error.
        decision = run_context.decide(_start(repository, file, run_context))
        if decision.starts:
            raise
        return _not_started(name, file, decision, host)
    decision = run_context.decide(pipeline)
    if not decision.starts:
        return _not_started(name, file, decision, host)
    effects = BUILTIN_TASKS.updated(host.effects)
    # The variables of a triggering resource are known only after the decision.
    facts = replace(facts, extra={**facts.extra, **run_context.variables})
    if run_context.from_fork:
        host = _without_secrets(host)
    with scratch_folder(host.scratch) as scratch:
        slots = Semaphore(host.max_parallel_jobs)
        session = Session(pipeline, facts, host, effects, scratch, name, Cancellation(host.cancellation), slots=slots)
        return _run(session)


def _not_started(name: str, file: str, decision: Decision, host: HostEnvironment) -> Run:
    run = Run("azure", name, file, "skipped", triggered=False, reason=decision.reason)
    host.listener.run_finished(run)
    return run


def _without_secrets(host: HostEnvironment) -> HostEnvironment:
    """Return the host of a run for a pull request from a fork, which gets no secrets."""
    return replace(host, secrets={}, environment_secrets={group: {} for group in host.environment_secrets})


def _run(session: Session) -> Run:
    started = time.monotonic()
    session.check_groups(session.pipeline.variables)
    pipeline, listener = session.pipeline, session.listener
    jobs = tuple(job_id(stage, job.name) for stage in pipeline.stages for job in stage.jobs)
    listener.run_planned(session.run_name, jobs)
    result, runs = run_stages(session)
    seconds = time.monotonic() - started
    run = Run("azure", session.run_name, pipeline.file, conclusion(result), runs, seconds=seconds)
    listener.run_finished(run)
    return run


def _read(repository: Path, file: str, run_context: RunContext, facts: RunFacts) -> tuple[Pipeline, RunFacts]:
    source = Repository(repository)
    tree = expand(lambda path: source.read(run_context.commit, path), file, run_variables(facts), run_context.arguments)
    found = read_pipeline(tree, file)
    number = {"Build.BuildNumber": _number(found.name or _DEFAULT_NUMBER, facts)}
    return found, replace(facts, extra={**facts.extra, **number})


def _start(repository: Path, file: str, run_context: RunContext) -> Pipeline:
    source = Repository(repository)
    return read_triggers(expand_triggers(lambda path: source.read(run_context.commit, path), file), file)


def _facts(repository: Path, file: str, run_context: RunContext, host: HostEnvironment) -> RunFacts:
    source = Repository(repository)
    author, address = source.author(run_context.commit)
    return RunFacts(
        pipeline=PurePosixPath(file).stem,
        server_url=(host.server_url or _SERVER_URL).rstrip("/"),
        organization=host.owner,
        project=host.name,
        repository=repository,
        reason=run_context.reason,
        ref=run_context.ref,
        commit=run_context.commit,
        message=run_context.message,
        requested_for=run_context.actor or author,
        requested_for_email=address,
        started=datetime.now(UTC),
        extra=dict(run_context.variables),
    )


def _number(pattern: str, facts: RunFacts) -> str:
    """Return the run number; the revision is 1, since a replay is the first run."""
    dated = _DATE_PATTERN.sub(lambda match: formatted(f"{{0:{match.group(1)}}}", facts.started), pattern)
    numbered = _REVISION_PATTERN.sub(lambda match: _REVISION.sub(_first_revision, match.group(1)), dated)
    variables = run_variables(facts)
    known = variables | {token: variables[name] for token, name in _NUMBER_TOKENS.items()}
    for name, value in known.items():
        numbered = numbered.replace(f"$({name})", value)
    return numbered


def _first_revision(match: re.Match[str]) -> str:
    return "1".zfill(len(match.group()))
