"""Every error that ends a command early, as one tree; the leaf decides the exit code.

    MlopsError              1  something is wrong
    ├── ProjectError        3  project.yml, or a file of the project, is missing or wrong
    ├── InputError          2  the user's input cannot be used
    ├── JobFailed           4  a training job failed
    ├── RolloutFailed       5  a deployment did not start or answered wrongly; traffic was not moved
    │   └── Inconclusive   14      or this machine was too busy to measure whether it is fit
    ├── RequestRefused      6  the endpoint answered a request with an error
    │   └── EndpointUnreachable    or did not answer at all
    ├── WorkspaceError      7  the workspace cannot be reached, refused the request, or there is no login
    ├── PromotionRefused    9  the model to promote is not healthy in the previous stage
    ├── MachineError        8  a program that was started on this machine failed
    ├── InternalError      70  a bug, or something unforeseen; no verdict, whatever the command judges
    ├── Interrupted       130  Ctrl-C
    └── Terminated        143  SIGTERM

An error says what is wrong (`message`) and what to do next (`advice`). Printing is left to rendering.py.
"""

from __future__ import annotations

from typing import ClassVar

from mlops.core.results import SourceLocation


class MlopsError(Exception):
    """Something is wrong: `message` says what, `advice` what to do next, `details` holds lines of evidence.

    `locations` are the lines of files to correct, if any.
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
    """The user's input cannot be used."""

    exit_code = 2


class JobFailed(MlopsError):
    """A training job failed, or ended without its outputs."""

    exit_code = 4


class RolloutFailed(MlopsError):
    """A deployment did not start or answered wrongly; traffic was not moved.

    `is_timing`: it failed by a figure of time, which depends on how busy the machine is that measures it.
    """

    exit_code = 5
    is_timing = False


class Inconclusive(RolloutFailed):
    """This machine was too busy to measure a deployment: traffic was not moved, and nothing is shown of the model."""

    exit_code = 14


class RequestRefused(MlopsError):
    """The endpoint answered a request with an error."""

    exit_code = 6


class EndpointUnreachable(RequestRefused):
    """The endpoint did not answer: the network is broken, or nothing is listening."""


class WorkspaceError(MlopsError):
    """The workspace cannot be reached, refused the request, or there is no login."""

    exit_code = 7


class PromotionRefused(MlopsError):
    """The model to promote is not healthy in the previous stage, or its bytes have changed."""

    exit_code = 9


class MachineError(MlopsError):
    """A program that was started on this machine failed."""

    exit_code = 8


class InternalError(MlopsError):
    """A bug, or something that nobody foresaw. Never 1, which is a verdict: a gate blocks."""

    exit_code = 70


class Interrupted(MlopsError):
    """Ctrl-C."""

    exit_code = 130


class Terminated(MlopsError):
    """Terminated by SIGTERM, which CI systems send when a run is cancelled."""

    exit_code = 143
