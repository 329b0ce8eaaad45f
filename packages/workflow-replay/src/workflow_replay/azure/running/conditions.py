"""Whether a step, job or stage runs: its condition, with the functions that ask how things stand. Pure.

A step asks about its own job. A job or stage asks about all that it waits for, directly or through others, as the
service does: `succeeded()` wants every one of them, and one that was skipped is no success; `succeededOrFailed()`
wants one that ran. With names, only the named ones count, and a name that it does not wait for is never true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from workflow_replay.azure.expressions import Contexts, Folded, Value, evaluate, missing, to_boolean, to_text
from workflow_replay.azure.expressions.syntax import JOB_CONDITION, STEP_CONDITION, Place
from workflow_replay.azure.running.results import Result
from workflow_replay.azure.running.variable_store import VariableStore

_DEFAULT = "succeeded()"
_RAN = (Result.SUCCEEDED, Result.SUCCEEDED_WITH_ISSUES, Result.FAILED)


@dataclass(frozen=True)
class Outcome:
    """What somebody else came to: the result and the output variables."""

    result: Result
    outputs: Mapping[str, str]

    def value(self) -> Value:
        """Return it as expressions see it."""
        return Folded({"result": self.result.value, "outputs": Folded(dict(self.outputs))})


@dataclass(frozen=True)
class Verdict:
    """Whether something runs, and why when it does not."""

    runs: bool
    reason: str = ""


def judge_step(condition: str | None, job: Result, variables: VariableStore) -> Verdict:
    """Judge a step, given how its job stands. Raises EvaluationFailed."""
    functions = {
        "always": lambda: True,
        "canceled": lambda: job is Result.CANCELED,
        "failed": lambda: job is Result.FAILED,
        "succeeded": lambda: job.is_good,
        "succeededorfailed": lambda: job.is_good or job is Result.FAILED,
    }
    return _judged(condition, STEP_CONDITION, Contexts({"variables": variables.context()}, functions))


def judge_job(
    condition: str | None,
    before: Mapping[str, Result],
    names: Mapping[str, Value],
    *,
    is_cancelled: bool,
) -> Verdict:
    """Judge a job or stage.

    `before` are the results of all that it waits for, `names` the contexts that its condition may use.
    Raises EvaluationFailed.
    """
    folded = {name.casefold(): result for name, result in before.items()}

    def chosen(arguments: Iterable[Value]) -> list[Result | None]:
        texts = [to_text(argument).casefold() for argument in arguments]
        return [folded.get(text) for text in texts] if texts else list(folded.values())

    def succeeded(*arguments: Value) -> bool:
        return not is_cancelled and all(result is not None and result.is_good for result in chosen(arguments))

    def failed(*arguments: Value) -> bool:
        return any(result is Result.FAILED for result in chosen(arguments))

    def succeeded_or_failed(*arguments: Value) -> bool:
        results = chosen(arguments)
        return not is_cancelled and (not results or any(result in _RAN for result in results))

    functions = {
        "always": lambda: True,
        "canceled": lambda: is_cancelled,
        "failed": failed,
        "succeeded": succeeded,
        "succeededorfailed": succeeded_or_failed,
    }
    return _judged(condition, JOB_CONDITION, Contexts(names, functions))


def _judged(condition: str | None, place: Place, contexts: Contexts) -> Verdict:
    text = condition or _DEFAULT
    if to_boolean(evaluate(text, place, contexts)):
        return Verdict(runs=True)
    nothing = missing(text, place, contexts)
    hint = f"; there is no {', no '.join(nothing)}" if nothing else ""
    return Verdict(runs=False, reason=f"condition {' '.join(text.split())} does not hold{hint}")
