"""Evaluates the conditions of steps, jobs and stages, including the status functions. No I/O.

The status functions of a step consider its own job. As in the service, those of a job or stage consider all direct and
indirect dependencies: `succeeded()` requires all of them, and a skipped one is not a success; `succeededOrFailed()`
requires one that ran. With arguments, only the named dependencies count, and the name of anything else is never true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from workflow_replay.azure.expressions import (
    CaseInsensitiveDict,
    Contexts,
    Value,
    evaluate,
    missing_references,
    to_boolean,
    to_text,
)
from workflow_replay.azure.expressions.syntax import JOB_CONDITION, STEP_CONDITION, Availability
from workflow_replay.azure.state.results import Result
from workflow_replay.azure.state.variable_store import VariableStore

_DEFAULT = "succeeded()"
_RAN = (Result.SUCCEEDED, Result.SUCCEEDED_WITH_ISSUES, Result.FAILED)


@dataclass(frozen=True)
class DependencyResult:
    """The result and output variables of a dependency."""

    result: Result
    outputs: Mapping[str, str]

    def value(self) -> Value:
        """Return it as a value of expressions."""
        return CaseInsensitiveDict({"result": self.result.value, "outputs": CaseInsensitiveDict(dict(self.outputs))})


@dataclass(frozen=True)
class ConditionResult:
    """Whether a step, job or stage runs; `reason` says why not."""

    runs: bool
    reason: str = ""


def evaluate_step_condition(condition: str | None, job: Result, variables: VariableStore) -> ConditionResult:
    """Evaluate the condition of a step, given the status of its job. Raises EvaluationError."""
    functions = {
        "always": lambda: True,
        "canceled": lambda: job is Result.CANCELED,
        "failed": lambda: job is Result.FAILED,
        "succeeded": lambda: job.is_success,
        "succeededorfailed": lambda: job.is_success or job is Result.FAILED,
    }
    return _evaluate(condition, STEP_CONDITION, Contexts({"variables": variables.context()}, functions))


def evaluate_job_condition(
    condition: str | None,
    results: Mapping[str, Result],
    names: Mapping[str, Value],
    *,
    is_cancelled: bool,
) -> ConditionResult:
    """Evaluate the condition of a job or stage.

    `results` are those of all dependencies, `names` the contexts of the condition. Raises EvaluationError.
    """
    folded = {name.casefold(): result for name, result in results.items()}

    def chosen(arguments: Iterable[Value]) -> list[Result | None]:
        texts = [to_text(argument).casefold() for argument in arguments]
        return [folded.get(text) for text in texts] if texts else list(folded.values())

    def succeeded(*arguments: Value) -> bool:
        return not is_cancelled and all(result is not None and result.is_success for result in chosen(arguments))

    def failed(*arguments: Value) -> bool:
        return any(result is Result.FAILED for result in chosen(arguments))

    def succeeded_or_failed(*arguments: Value) -> bool:
        considered = chosen(arguments)
        return not is_cancelled and (not considered or any(result in _RAN for result in considered))

    functions = {
        "always": lambda: True,
        "canceled": lambda: is_cancelled,
        "failed": failed,
        "succeeded": succeeded,
        "succeededorfailed": succeeded_or_failed,
    }
    return _evaluate(condition, JOB_CONDITION, Contexts(names, functions))


def _evaluate(condition: str | None, available: Availability, contexts: Contexts) -> ConditionResult:
    text = condition or _DEFAULT
    if to_boolean(evaluate(text, available, contexts)):
        return ConditionResult(runs=True)
    unknown = missing_references(text, available, contexts)
    hint = f"; unknown: {', '.join(unknown)}" if unknown else ""
    return ConditionResult(runs=False, reason=f"the condition {' '.join(text.split())} is false{hint}")
