"""Everything that ends a replay before its time, as one tree; what a replayed run itself comes to is in record.py.

    ReplayError
    ├── WorkflowError       the file is wrong: the service would refuse it, or could never do what it says
    │   └── ParameterMissing    it asks for a value that nobody gave
    ├── UnknownStep         a step of somebody else's for which no effect is declared
    ├── EventError          the event cannot be what the caller says: no such ref, an input that is missing
    └── RepositoryError     git did not do its work

Errors say what is wrong (`message`) and what to do next (`advice`). A step that fails raises nothing: that is a result.
"""

from __future__ import annotations


class ReplayError(Exception):
    """Something is wrong: `message` says what, `advice` what to do next."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message}. {self.advice}" if self.advice else self.message


class WorkflowError(ReplayError):
    """The file is wrong; `file` counts from the repository's top and `line` from 1."""

    def __init__(self, file: str, line: int, message: str, advice: str = "") -> None:
        super().__init__(f"{file}:{line}: {message}", advice)
        self.file = file
        self.line = line
        self.reason = message


class ParameterMissing(WorkflowError):
    """A parameter without a default has no value: whoever starts the pipeline must give it."""


class UnknownStep(ReplayError):
    """A step of somebody else's for which no effect is declared."""


class EventError(ReplayError):
    """The event cannot be what the caller says."""


class RepositoryError(ReplayError):
    """Git did not do its work."""
