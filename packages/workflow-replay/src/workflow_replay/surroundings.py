"""What a run finds around it, given by the caller: the machine, variables, secrets, other people's steps, approvals."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from workflow_replay.approvals import Approvals, approve_all
from workflow_replay.effects import Effects
from workflow_replay.progress import Listener, Silence
from workflow_replay.queues import Queues
from workflow_replay.stopping import Cancellation
from workflow_replay.tokens import Tokens, made_up

# What a step sees of the machine it runs on when the caller says nothing: enough to find programs and a home.
_OF_THE_MACHINE: Final = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "SHELL", "SSL_CERT_FILE")


def bare_machine() -> dict[str, str]:
    """The few variables of this process that every step needs."""
    return {name: os.environ[name] for name in _OF_THE_MACHINE if name in os.environ}


@dataclass(frozen=True)
class Surroundings:
    """What a run finds around it.

    `machine` are the variables that steps find on the machine that runs them; nothing else of this process reaches
    them. `variables` and `secrets` are the repository's (GitHub) or the pipeline's and its groups' (Azure);
    `environment_variables` and `environment_secrets` add those of a protected environment, by its name.
    `scratch` is a folder for clones and temporary files, None for one that is deleted at the end.
    `cancellation` ends the run from outside, `queues` are shared by runs that are to wait for each other.
    `tokens` hands out what jobs act with towards the forge.
    `effects` are in addition to, or in place of, those that a system has by itself.
    """

    machine: Mapping[str, str] = field(default_factory=bare_machine)
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    environment_variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    environment_secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    effects: Effects = field(default_factory=Effects)
    approvals: Approvals = approve_all
    tokens: Tokens = made_up
    listener: Listener = field(default_factory=Silence)
    cancellation: Cancellation = field(default_factory=Cancellation)
    queues: Queues = field(default_factory=Queues)
    scratch: Path | None = None
    # What clones have as the address of their remote; None is the folder of the repository.
    origin: str | None = None
    owner: str = "octo-org"
    name: str = "octo-repo"
    # What the service's token may do when a workflow does not say: "read" contents and packages, or "write" all.
    default_permissions: str = "read"
    maximum_parallel_jobs: int = 4
