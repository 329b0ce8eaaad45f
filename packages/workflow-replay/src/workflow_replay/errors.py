"""The errors that end a replay early, as one tree. A step or job that fails raises nothing: see result.py.

What a replay cannot do fails the step or job that needs it (`limit` in result.py); only what is needed to read the file
ends the replay.

    ReplayError
    ├── WorkflowError           the service would reject the file, or could never do what it says
    │   └── ParameterMissing    a required parameter has no value
    ├── Unreplayable            the service may run it, a replay cannot: a limit of the replay, not of the file
    │   └── UnknownStep         no effect is declared for a third-party action or task
    ├── EventError              the event is impossible: unknown ref, missing input
    └── RepositoryError         git failed

`message` says what is wrong, `advice` what to do next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


class ReplayError(Exception):
    """The replay cannot continue: `message` says why, `advice` what to do next."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message}. {self.advice}" if self.advice else self.message


class WorkflowError(ReplayError):
    """The file is invalid; `file` is relative to the repository's root, `line` counts from 1."""

    def __init__(self, file: str, line: int, message: str, advice: str = "") -> None:
        super().__init__(f"{file}:{line}: {message}", advice)
        self.file = file
        self.line = line


class ParameterMissing(WorkflowError):
    """A parameter without a default was given no value."""


@dataclass(frozen=True)
class Limit:
    """Something that a replay cannot do, and where ("file:line") it is needed.

    `needs` says what the caller can provide instead, by its `name`: an effect, the variables of a group, or nothing.
    """

    location: str
    message: str
    advice: str = ""
    needs: Literal["", "effect", "group"] = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.location}: {self.message}" + (f". {self.advice}" if self.advice else "")


class Unreplayable(ReplayError):
    """The service may run this, a replay cannot: the file need not be wrong."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(f"{limit.location}: {limit.message}", limit.advice)
        self.limit = limit


class UnknownStep(Unreplayable):
    """No effect is declared for a third-party action or task."""


class EventError(ReplayError):
    """The event is impossible in this repository."""


class RepositoryError(ReplayError):
    """A git command failed."""
