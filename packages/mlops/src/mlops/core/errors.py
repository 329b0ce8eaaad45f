"""Everything that ends a command before its time, as one tree; the leaf decides the exit code.

    MlopsError              1  something is wrong
    ├── ProjectError        3  project.yml, or a file of the project, is missing or wrong
    ├── InputError          2  what the person gave cannot be used
    ├── JobFailed           4  a training job failed
    ├── RolloutFailed       5  a deployment did not come up or answered wrongly; traffic stayed where it was
    ├── RequestRefused      6  the endpoint did not answer a request with success
    │   └── EndpointUnreachable    or not at all
    ├── WorkspaceError      7  the workspace cannot be reached, refused, or nobody is logged in
    ├── PromotionRefused    9  what is to be promoted does not run healthy in the stage before
    ├── MachineError        8  a program that had to be started on this machine did not do its work
    ├── Interrupted       130  Ctrl-C
    └── Terminated        143  SIGTERM

An error says what is wrong (`message`) and what to do next (`advice`). Printing is left to rendering.py.
"""

from __future__ import annotations

from typing import ClassVar

from mlops.core.results import SourceLocation


class MlopsError(Exception):
    """Something is wrong: `message` says what, `advice` what to do next, `details` the evidence in lines.

    `locations` are the lines of files that have to be corrected, where there are such.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self, message: str, advice: str = "", details: tuple[str, ...] = (), locations: tuple[SourceLocation, ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.details = details
        self.locations = locations


class ProjectError(MlopsError):
    """project.yml, or a file of the project, is missing or wrong."""

    exit_code = 3


class InputError(MlopsError):
    """What the person gave cannot be used."""

    exit_code = 2


class JobFailed(MlopsError):
    """A training job failed, or ended without what it promised."""

    exit_code = 4


class RolloutFailed(MlopsError):
    """A deployment did not come up or answered wrongly; traffic stayed where it was."""

    exit_code = 5


class RequestRefused(MlopsError):
    """The endpoint did not answer a request with success."""

    exit_code = 6


class EndpointUnreachable(RequestRefused):
    """There was no answer at all: the way to the endpoint is broken, or nobody is there."""


class WorkspaceError(MlopsError):
    """The workspace cannot be reached, refused, or nobody is logged in."""

    exit_code = 7


class PromotionRefused(MlopsError):
    """What is to be promoted does not run healthy in the stage before, or its bytes are not what they were."""

    exit_code = 9


class MachineError(MlopsError):
    """A program that had to be started on this machine did not do its work."""

    exit_code = 8


class Interrupted(MlopsError):
    """Ctrl-C."""

    exit_code = 130


class Terminated(MlopsError):
    """Told to end by SIGTERM, as CI systems do when a run is cancelled."""

    exit_code = 143
