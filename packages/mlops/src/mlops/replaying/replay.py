"""One workflow file of this project, replayed on this machine."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mlops.cli.progress import say
from mlops.core.errors import InputError
from mlops.core.remote_address import ForgeKind
from mlops.core.stopping import stop_signals
from mlops.replaying.event import EventOptions, event
from mlops.replaying.machine import Machine, machine
from mlops.replaying.programs import asked_for
from mlops.replaying.result import ReplayResult
from mlops.replaying.source import Checkout, Source
from workflow_replay import azure, github
from workflow_replay.approvals import Approval, ApprovalRequest, Approvals
from workflow_replay.azure.effects import EFFECTS
from workflow_replay.display import shown
from workflow_replay.effects import Effects, adding
from workflow_replay.errors import ReplayError
from workflow_replay.events import Event
from workflow_replay.github.known import KNOWN
from workflow_replay.record import Run
from workflow_replay.stopping import Cancellation
from workflow_replay.surroundings import Surroundings

_GITHUB_FOLDER: Final = ".github/"
_LOGIN: Final = {"github": "azure/login", "azure": "AzureCLI"}
# What a repository's settings hold on the real forge; any text will do where nobody asks for a token with it.
_IDENTITY: Final = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID")
_PLACEHOLDER: Final = "replayed"


@dataclass(frozen=True)
class ReplayOptions:
    """What was typed, apart from the event."""

    ref: str | None = None
    since: str | None = None
    committed_only: bool = False
    approved: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    against_azure: bool = False
    every_line: bool = False


def replay_file(root: Path, file: Path, wanted: EventOptions, options: ReplayOptions) -> ReplayResult:
    """Replay a workflow file as it is now, for an event, in a scratch copy of the project's repository.

    Raises InputError for a file or an event that GitHub or Azure Pipelines would refuse.
    """
    checkout = Checkout(root)
    path = checkout.path_from_top(file)
    system: ForgeKind = "github" if path.startswith(_GITHUB_FOLDER) else "azure"
    cancellation = Cancellation()
    with tempfile.TemporaryDirectory(prefix="mlops-replay-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        source = checkout.copy(
            scratch / "origin.git", system, options.ref, options.since, committed_only=options.committed_only
        )
        scene = _Scene(system, source, scratch, machine(scratch, source.remote, against_azure=options.against_azure))
        for sentence in _said(scene, options):
            say(sentence)
        with stop_signals(cancellation.cancel) as stop:
            run = _run(scene, path, event(wanted, source), options, cancellation)
        asked = tuple(asked_for(scene.place.asked))
    if stop.reason is not None:
        raise stop.error(f"the run was cancelled: {stop.reason}", "Nothing is left of it; run it again.")
    return ReplayResult(run, asked, _stood_in(system))


@dataclass(frozen=True)
class _Scene:
    """Where a replay plays: which system, in which copy, below which folder, with what of this machine."""

    system: ForgeKind
    source: Source
    scratch: Path
    place: Machine


def _run(scene: _Scene, path: str, happened: Event, options: ReplayOptions, cancellation: Cancellation) -> Run:
    remote, cloud = scene.source.remote, scene.place.cloud
    is_github = scene.system == "github"
    login = _LOGIN[scene.system]
    known = KNOWN if is_github else EFFECTS
    identity = {name: cloud.get(name, _PLACEHOLDER) for name in _IDENTITY}
    with shown(sys.stderr, every_line=options.every_line) as listener:
        around = Surroundings(
            machine=scene.place.variables,
            variables={**identity, **options.variables},
            secrets=options.secrets,
            effects=Effects({login: adding(known[login], cloud)}),
            approvals=_approvals(options),
            listener=listener,
            cancellation=cancellation,
            scratch=scene.scratch,
            origin=remote.address,
            owner=remote.forge.owner,
            name=remote.forge.name if is_github else remote.forge.project,
        )
        try:
            replay = github.replay if is_github else azure.replay
            return replay(scene.source.repository, path, happened, around)
        except ReplayError as error:
            raise InputError(error.message, error.advice or f"Correct {path}.") from error


def _approvals(options: ReplayOptions) -> Approvals:
    """Who is let in: whoever was named if somebody was, else all that were not rejected."""

    def decide(request: ApprovalRequest) -> Approval:
        name = request.environment
        approved = name not in options.rejected and (not options.approved or name in options.approved)
        return Approval(approved, "" if approved else f"{name} was rejected")

    return decide


def _said(scene: _Scene, options: ReplayOptions) -> list[str]:
    source, place = scene.source, scene.place
    files = "your working files" if source.has_changes else "the commit checked out"
    cloud = "your login" if options.against_azure else "no stored login"
    nowhere = "no workspace (for one on this machine: `mlops up`, then `mlops env`)"
    pointed = "the workspace that this shell points to" if place.points_somewhere else nowhere
    return [f"replaying {files} as {source.branch}, in a scratch copy", f"steps reach {pointed}, with {cloud}"]


def _stood_in(system: ForgeKind) -> tuple[str, ...]:
    forge = "GitHub" if system == "github" else "Azure DevOps"
    return (
        f"{forge} was a scratch copy of this repository: pushes went there, pull requests were written down",
        "approvals of environments were given as you typed; `mlops check --repository` looks at the real rules",
        "caches were empty, tools were those of this machine, containers and other machines were not there",
    )
