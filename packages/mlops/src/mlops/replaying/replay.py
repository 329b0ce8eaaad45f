"""Replays one workflow file of this project on this machine, and what came of it."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mlops.cli.progress import say
from mlops.core.errors import InputError
from mlops.core.results import Block, Line, Result, Table, Tone
from mlops.core.waiting import stop_signals
from mlops.githost.hosts import HOSTS
from mlops.githost.interface import GitHost, Replay
from mlops.replaying.environment import StepEnvironment, logged_requests, step_environment
from mlops.replaying.source import Checkout, EventOptions, Source, event
from workflow_replay.approvals import approvals
from workflow_replay.cancellation import Cancellation
from workflow_replay.display import display
from workflow_replay.effects import Effects, no_op, with_variables
from workflow_replay.errors import Limit, ReplayError, Unreplayable, WorkflowError
from workflow_replay.events import Event
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import JobRun, Run, commands, document, limits, simulated

# Settings of the repository that a login requires; any text will do, as no token is issued.
_IDENTITY: Final = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID")
_PLACEHOLDER: Final = "replayed"


@dataclass(frozen=True)
class ReplayOptions:
    """Options of the command, except those of the event.

    `group_variables` and `group_secrets` are keyed by variable group, or by environment on GitHub; the actions and
    tasks in `without_effect` do nothing.
    """

    ref: str | None = None
    since: str | None = None
    committed_only: bool = False
    approved: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    group_variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    group_secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    without_effect: tuple[str, ...] = ()
    against_azure: bool = False
    every_line: bool = False


def replay_file(root: Path, file: Path, event_options: EventOptions, options: ReplayOptions) -> ReplayResult:
    """Replay a workflow file, with the working files, for an event in a scratch copy of the project's repository.

    Raises InputError for a file or an event that its CI system would reject.
    """
    checkout = Checkout(root)
    path = checkout.path_from_root(file)
    host, ci = _ci_of(path)
    cancellation = Cancellation()
    with tempfile.TemporaryDirectory(prefix="mlops-replay-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        source = checkout.copy(
            scratch / "origin.git", ci, options.ref, options.since, committed_only=options.committed_only
        )
        environment = step_environment(scratch, source.remote, against_azure=options.against_azure)
        replay = _Replay(ci, source, scratch, environment)
        for sentence in _introduction(replay, options):
            say(sentence)
        with stop_signals(cancellation.cancel) as stop:
            run = _run(replay, path, event(event_options, source), options, cancellation)
        requests = tuple(logged_requests(environment.request_log))
    if stop.reason is not None:
        raise stop.error(f"the run was cancelled: {stop.reason}", "Nothing is left of it; run it again.")
    return ReplayResult(run, requests, _limitations(host))


def _ci_of(path: str) -> tuple[GitHost, Replay]:
    """The git host whose CI runs a file, and how it is replayed. Raises InputError for a file of no CI system."""
    host = next((host for host in HOSTS if host.owns_workflow(path)), None)
    ci = host.replay() if host else None
    if host is None or ci is None:
        names = ", ".join(host.name for host in HOSTS if host.replay())
        raise InputError(f"{path} is not a workflow that can be replayed", f"Name a workflow file of {names}.")
    return host, ci


@dataclass(frozen=True)
class _Replay:
    """The CI system, the scratch copy, the scratch folder, and the environment of steps."""

    ci: Replay
    source: Source
    scratch: Path
    environment: StepEnvironment


def _run(replay: _Replay, path: str, happened: Event, options: ReplayOptions, cancellation: Cancellation) -> Run:
    remote, cloud, ci = replay.source.remote, replay.environment.cloud, replay.ci
    login = with_variables(ci.builtin_effects()[ci.login_step], cloud)
    identity = {name: cloud.get(name, _PLACEHOLDER) for name in _IDENTITY}
    with display(sys.stderr, every_line=options.every_line) as listener:
        host = HostEnvironment(
            environ=replay.environment.variables,
            variables={**identity, **options.variables},
            secrets=options.secrets,
            environment_variables=options.group_variables,
            environment_secrets=options.group_secrets,
            effects=Effects({**dict.fromkeys(options.without_effect, no_op), ci.login_step: login}),
            approvals=approvals(only=options.approved, reject=options.rejected),
            listener=listener,
            cancellation=cancellation,
            scratch=replay.scratch,
            remote_url=remote.ssh_url,
            # Provenance names the builder by this URL. Git, gh and az reach the scratch copy, not the server itself.
            server_url=f"https://{remote.address.server}",
            owner=remote.address.owner,
            name=ci.ci_name(remote.address),
        )
        try:
            return ci.run(replay.source.repository, path, happened, host)
        except Unreplayable as error:
            message = f"a replay cannot run this file, which may be right: {error.message}"
            raise InputError(message, _way_out(error.limit)) from error
        except ReplayError as error:
            otherwise = f"Correct {path}." if isinstance(error, WorkflowError) else "Check the options of the event."
            raise InputError(error.message, error.advice or otherwise) from error


def _way_out(limit: Limit) -> str:
    match limit.needs:
        case "effect":
            return f"If nothing later needs what it does: --does-nothing {shlex.quote(limit.name)}"
        case "group":
            group = f"--var-of {shlex.quote(limit.name + ':')}"
            return f"Give its variables: {group}NAME=VALUE, or if it has none: {group}"
        case _:
            return limit.advice or "Test it on the service; the rest of the file can be replayed."


def _introduction(replay: _Replay, options: ReplayOptions) -> list[str]:
    source = replay.source
    files = "your working files" if source.has_changes else "the current commit"
    login = "your login" if options.against_azure else "no stored login"
    none = "no workspace (for one on this machine: `mlops up`, then `mlops env`)"
    workspace = "the workspace that this shell points to" if replay.environment.has_workspace else none
    return [f"replaying {files} as {source.branch}, in a scratch copy", f"steps reach {workspace}, with {login}"]


def _limitations(host: GitHost) -> tuple[str, ...]:
    return (
        f"{host.name} was a scratch copy of this repository: pushes went there, pull requests were only logged",
        "approvals were those of --approve and --reject; `mlops check --repository` checks the real rules",
        "caches were empty, tools were those of this machine; containers and other machines were not available",
    )


@dataclass(frozen=True)
class ReplayResult(Result):
    """A replayed run, its `requests` to the git host, and the `limitations` of the replay."""

    run: Run
    requests: tuple[str, ...]
    limitations: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 if all of the run was replayed and succeeded, or if the event does not trigger it; else 1."""
        if limits(self.run):
            return 1
        return 0 if not self.run.triggered or self.run.conclusion in ("success", "skipped") else 1

    def document(self) -> dict[str, Any]:
        """The run, its requests and the limitations."""
        return {**document(self.run), "requests": list(self.requests), "limitations": list(self.limitations)}

    def blocks(self) -> Sequence[Block]:
        """Jobs, annotations, requests, limitations and the conclusion."""
        run = self.run
        if not run.triggered:
            return [
                Line(f"{run.file} is not triggered: {run.reason}", "hint"),
                Line(
                    "To replay your files on another branch: `--ref main`. To include more commits: `--since REV`.",
                    "hint",
                ),
            ]
        rows = tuple((job.name, _outcome(job), f"{job.seconds:.1f}", job.environment or "") for job in run.jobs)
        annotations = [
            Line(f"{annotation.level}: {_location(annotation.file, annotation.line)}{annotation.message}")
            for annotation in run.annotations()
            if annotation.level in ("error", "warning")
        ]
        tones: dict[str, Tone] = {"success": "good", "skipped": "good"}
        return [
            Table(run.name, ("job", "result", "seconds", "environment"), rows),
            *annotations,
            *(Line(f"requested from the git host: {words}") for words in self.requests),
            *(Line(f"simulated: {name}", "hint") for name in simulated(run)),
            *(Line(sentence, "hint") for sentence in self.limitations),
            *(
                Line(f"cannot be replayed: {limit.location}: {limit.message}. {_way_out(limit)}", "bad")
                for limit in limits(run)
            ),
            Line(
                f"{run.conclusion}: {len(commands(run))} commands ran in {run.seconds:.1f} s",
                tones.get(run.conclusion, "bad"),
            ),
        ]


def _outcome(job: JobRun) -> str:
    return f"{job.outcome} ({job.reason})" if job.reason else job.outcome


def _location(file: str | None, line: int | None) -> str:
    if file is None:
        return ""
    return f"{file}:{line}: " if line is not None else f"{file}: "
