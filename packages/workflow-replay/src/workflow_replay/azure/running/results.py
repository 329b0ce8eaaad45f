"""What steps, jobs and stages come to, in Azure's words, and in the words of the record. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from workflow_replay.record import Conclusion


class Result(Enum):
    """A result; Abandoned is a job or stage whose condition could not be evaluated."""

    SUCCEEDED = "Succeeded"
    SUCCEEDED_WITH_ISSUES = "SucceededWithIssues"
    FAILED = "Failed"
    CANCELED = "Canceled"
    SKIPPED = "Skipped"
    ABANDONED = "Abandoned"

    @property
    def is_good(self) -> bool:
        """Whether what follows counts it as success."""
        return self in (Result.SUCCEEDED, Result.SUCCEEDED_WITH_ISSUES)


_WORST_FIRST = (
    Result.CANCELED,
    Result.ABANDONED,
    Result.FAILED,
    Result.SUCCEEDED_WITH_ISSUES,
    Result.SUCCEEDED,
    Result.SKIPPED,
)
_CONCLUSIONS: dict[Result, Conclusion] = {
    Result.SUCCEEDED: "success",
    Result.SUCCEEDED_WITH_ISSUES: "success",
    Result.FAILED: "failure",
    Result.CANCELED: "cancelled",
    Result.SKIPPED: "skipped",
    Result.ABANDONED: "failure",
}


def worst(results: Iterable[Result]) -> Result:
    """Return the worst of several results: Skipped only when all are, Succeeded for none."""
    found = set(results)
    return next((result for result in _WORST_FIRST if result in found), Result.SUCCEEDED)


def conclusion(result: Result) -> Conclusion:
    """Return a result in the words of the record."""
    return _CONCLUSIONS[result]
