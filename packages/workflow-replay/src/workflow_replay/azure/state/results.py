"""The results of steps, jobs and stages in Azure's terms, and their conversion to those of result.py. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from workflow_replay.result import Conclusion


class Result(Enum):
    """A result; a job or stage whose condition cannot be evaluated is Abandoned."""

    SUCCEEDED = "Succeeded"
    SUCCEEDED_WITH_ISSUES = "SucceededWithIssues"
    FAILED = "Failed"
    CANCELED = "Canceled"
    SKIPPED = "Skipped"
    ABANDONED = "Abandoned"

    @property
    def is_success(self) -> bool:
        """Whether dependents count it as success."""
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
    """Return the worst of several results: Skipped only if all are skipped, Succeeded for none."""
    found = set(results)
    return next((result for result in _WORST_FIRST if result in found), Result.SUCCEEDED)


def conclusion(result: Result) -> Conclusion:
    """Return the conclusion of a result."""
    return _CONCLUSIONS[result]
