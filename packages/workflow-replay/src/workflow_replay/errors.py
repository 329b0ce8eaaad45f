"""The errors that end a replay early, as one tree. A step or job that fails raises nothing: see result.py.

    ReplayError
    ├── WorkflowError           the service would reject the file, or could never do what it says
    │   └── ParameterMissing    a required parameter has no value
    ├── UnknownStep             no effect is declared for a third-party action or task
    ├── EventError              the event is impossible: unknown ref, missing input
    └── RepositoryError         git failed

`message` says what is wrong, `advice` what to do next.
"""

from __future__ import annotations


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


class UnknownStep(ReplayError):
    """No effect is declared for a third-party action or task."""


class EventError(ReplayError):
    """The event is impossible in this repository."""


class RepositoryError(ReplayError):
    """A git command failed."""
