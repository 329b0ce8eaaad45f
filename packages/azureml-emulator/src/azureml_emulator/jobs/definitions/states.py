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
    "Bypassed",
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
# A step in the branch of an if_else node that is not taken; its record says Canceled.
BYPASSED: Final = "Bypassed"
TERMINAL: Final[frozenset[str]] = frozenset({COMPLETED, FAILED, CANCELED, BYPASSED})
