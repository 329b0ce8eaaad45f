"""The result of one attempt of a step."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_replay.azure.state.results import Result
from workflow_replay.azure.steps.step_output import StepOutput
from workflow_replay.errors import Limit


@dataclass(frozen=True)
class Attempt:
    """One attempt: its result, the exit code and text of a script, the simulated task, a limit of the replay."""

    result: Result
    exit_code: int | None = None
    script: str | None = None
    uses: str | None = None
    limit: Limit | None = None


def reported_result(output: StepOutput) -> Result:
    """Return the result of an attempt without errors, considering `task.complete` and rejected commands."""
    if output.rejected:
        return Result.FAILED
    return output.completed or Result.SUCCEEDED
