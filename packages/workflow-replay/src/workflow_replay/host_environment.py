"""What the caller provides for a run: the host's variables, settings of the repository, effects, approvals, tokens."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from workflow_replay.approvals import Approvals, approve_all
from workflow_replay.cancellation import Cancellation
from workflow_replay.concurrency import ConcurrencyGroups
from workflow_replay.effects import Effects
from workflow_replay.progress import Listener
from workflow_replay.tokens import TokenIssuer, random_token

# Enough to find programs and a home folder.
_INHERITED: Final = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "SHELL", "SSL_CERT_FILE")


def minimal_environ() -> dict[str, str]:
    """The few variables of this process that every step needs."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


@dataclass(frozen=True)
class HostEnvironment:
    """What the caller provides for a run. Every field has a default.

    `environ` are the host's environment variables that steps see; nothing else of this process reaches them.
    `variables` and `secrets` are those of the repository (GitHub) or of the pipeline (Azure). `environment_variables`
    and `environment_secrets` are keyed by the name of a protected environment (GitHub) or a variable group (Azure).

    `effects` are added to those that a system declares itself, or replace them. `approvals` decides who enters
    protected environments, `tokens` issues the jobs' tokens, `listener` follows the progress. `cancellation` cancels
    the run from outside; runs that should wait for each other share `concurrency`.

    `remote_url` is the URL of the remote in clones; None is the repository's folder. `server_url` is the service's
    public URL as steps see it (GITHUB_SERVER_URL, System.CollectionUri); None is one that no resolver knows, so that
    no step reaches the real service. Give it only if the steps reach a fake of that service. API URLs never resolve,
    and no step is offered an OIDC endpoint.

    `scratch` is a folder for clones and temporary files; None is one that is deleted after the run.
    `default_permissions` is the repository's setting for tokens: "read" (contents and packages) or "write" (all).
    """

    environ: Mapping[str, str] = field(default_factory=minimal_environ)
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    environment_variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    environment_secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    effects: Effects = field(default_factory=Effects)
    approvals: Approvals = approve_all
    tokens: TokenIssuer = random_token
    listener: Listener = field(default_factory=Listener)
    cancellation: Cancellation = field(default_factory=Cancellation)
    concurrency: ConcurrencyGroups = field(default_factory=ConcurrencyGroups)
    scratch: Path | None = None
    remote_url: str | None = None
    server_url: str | None = None
    owner: str = "octo-org"
    name: str = "octo-repo"
    default_permissions: str = "read"
    max_parallel_jobs: int = 4
