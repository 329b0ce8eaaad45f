"""The states of a job, as the service spells them."""

from __future__ import annotations

from typing import Final, Literal

State = Literal[
    "NotStarted",
    "Queued",
    "Preparing",
    "Running",
    "Finalizing",
    "CancelRequested",
    "Completed",
    "Failed",
    "Canceled",
]

NOT_STARTED: Final = "NotStarted"
QUEUED: Final = "Queued"
PREPARING: Final = "Preparing"
RUNNING: Final = "Running"
FINALIZING: Final = "Finalizing"
CANCEL_REQUESTED: Final = "CancelRequested"
COMPLETED: Final = "Completed"
FAILED: Final = "Failed"
CANCELED: Final = "Canceled"
TERMINAL: Final[frozenset[str]] = frozenset({COMPLETED, FAILED, CANCELED})
