"""What one try of a step came to."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_replay.azure.running.results import Result
from workflow_replay.azure.running.sink import Sink


@dataclass(frozen=True)
class Attempt:
    """One try: its result, and for the record its exit code, the script that ran, the step of others it played."""

    result: Result
    exit_code: int | None = None
    script: str | None = None
    uses: str | None = None


def judged(sink: Sink) -> Result:
    """Return what a try that went well comes to, after what the step said of itself."""
    if sink.refused:
        return Result.FAILED
    return sink.completed or Result.SUCCEEDED
