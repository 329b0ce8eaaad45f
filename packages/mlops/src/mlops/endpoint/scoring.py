"""A request to a stage's endpoint, its reply, the log excerpt that explains a failure, and the smoke test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.ai.ml import MLClient
from azure.core.exceptions import ResourceNotFoundError

from mlops.core.errors import EndpointUnreachable, RequestRefused, RolloutFailed
from mlops.core.results import Block, Line, Raw, Result, Table
from mlops.endpoint.client import SYNTHETIC_HEADER, Address, Reply, address_of, call, require_success
from mlops.settings.project import Project
from mlops.settings.stages import StageName
from model_package.errors import PackageError
from model_package.golden import Golden, GoldenCase
from model_package.package import read_golden, read_schema
from model_package.tasks import Task, task_of

_ROWS_SHOWN = 20
_CLASSES_SHOWN = 5


@dataclass(frozen=True)
class ScoreResult(Result):
    """A successful reply; `reply` is the endpoint's own JSON."""

    endpoint: str
    deployment: str | None
    reply: Any

    def document(self) -> dict[str, Any]:
        """The endpoint's own reply, unchanged."""
        return self.reply if isinstance(self.reply, dict) else {"reply": self.reply}

    def blocks(self) -> Sequence[Block]:
        """One row per prediction; only the first ones of many."""
        predictions = self.reply.get("predictions") if isinstance(self.reply, dict) else None
        if not predictions or not isinstance(predictions[0], dict):
            return [Raw(str(self.reply))]
        columns = ("row", *predictions[0])
        shown = predictions[:_ROWS_SHOWN]
        rows = tuple((str(number), *map(_shown, prediction.values())) for number, prediction in enumerate(shown))
        answered = f" by {self.deployment}" if self.deployment else ""
        facts = ", ".join(f"{key} {_shown(value)}" for key, value in self.reply.items() if key != "predictions")
        blocks: list[Block] = [Table(f"{self.endpoint} answered{answered}", columns, rows), Line(facts)]
        if len(predictions) > len(shown):
            blocks.append(Line(f"{len(predictions) - len(shown)} more rows; --json prints all", "hint"))
        return blocks


def _shown(value: Any) -> str:
    """A value of a prediction; of probabilities by class the largest ones, the most probable class first."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if not isinstance(value, dict):
        return str(value)
    ordered = sorted(value.items(), key=lambda each: -each[1])
    more = f", {len(ordered) - _CLASSES_SHOWN} more" if len(ordered) > _CLASSES_SHOWN else ""
    return ", ".join(f"{name} {share:.4g}" for name, share in ordered[:_CLASSES_SHOWN]) + more


def score(
    client: MLClient, project: Project, stage_name: StageName, body: bytes, deployment: str | None = None
) -> ScoreResult:
    """Send a body unchanged, to the named deployment or wherever the traffic goes. Raises RequestRefused."""
    endpoint_name = project.settings.stage(stage_name).online_endpoint
    try:
        scoring_uri = client.online_endpoints.get(endpoint_name).scoring_uri or ""
    except ResourceNotFoundError as error:
        raise RequestRefused(
            f"stage {stage_name} has no endpoint {endpoint_name} yet",
            f"Deploy: `mlops deploy --stage {stage_name}`.",
        ) from error
    reply = call(address_of(client, endpoint_name, scoring_uri), body, deployment)
    return _result(endpoint_name, require_success(reply))


def _result(endpoint_name: str, reply: Reply) -> ScoreResult:
    return ScoreResult(endpoint_name, reply.deployment, reply.json())


MOST_LINES = 20
_TRACEBACK = "Traceback (most recent call last):"


def log_excerpt(log: str) -> tuple[str, ...]:
    """The first traceback, since later ones come from the server's shutdown; else the last lines."""
    lines = [line for line in log.splitlines() if line.strip()]
    starts = (index for index, line in enumerate(lines) if line.rstrip().endswith(_TRACEBACK))
    first = next(starts, None)
    return tuple(lines[-MOST_LINES:]) if first is None else _traceback(lines[first:])


def _traceback(lines: Sequence[str]) -> tuple[str, ...]:
    """From its first line to the exception; a long one is shortened in the middle."""
    end = next((index for index, line in enumerate(lines[1:], 1) if not line.startswith(" ")), len(lines) - 1)
    return (lines[0], *lines[1 : end + 1][-MOST_LINES:])


def smoke_test(address: Address, deployment: str, package: Path) -> int:
    """Check every golden case and return their number.

    Raises RolloutFailed at the first wrong answer, EndpointUnreachable without an answer.
    """
    golden, task = read_golden_cases(package), task_of(read_schema(package))
    for number, case in enumerate(golden.cases, 1):
        body = json.dumps(case.request).encode()
        try:
            predictions = require_success(call(address, body, deployment, _SYNTHETIC)).json()["predictions"]
        except EndpointUnreachable:
            # Not this deployment's answer: the caller decides whether to retry.
            raise
        except RequestRefused as refusal:
            message = f"{deployment} did not answer golden case {number}: {refusal.message}"
            raise RolloutFailed(message, _ADVICE, refusal.details) from refusal
        differences = difference(task, case, predictions, golden.tolerance)
        if differences:
            raise RolloutFailed(f"{deployment} answers golden case {number} wrongly", _ADVICE, differences)
    return len(golden.cases)


def read_golden_cases(package: Path) -> Golden:
    """Read golden.json of a package. Raises RolloutFailed for a package without golden cases."""
    try:
        return read_golden(package)
    except PackageError as error:
        raise RolloutFailed(f"the golden cases cannot be read: {error}", "Train and register again.") from error


_SYNTHETIC = {SYNTHETIC_HEADER: "smoke"}
_ADVICE = "Traffic was not moved. Compare score.py and its environment with the model package."


def difference(task: Task, case: GoldenCase, predictions: list[dict[str, Any]], tolerance: float) -> tuple[str, ...]:
    """What is wrong with the predictions for one golden case; empty if they agree."""
    if len(predictions) != case.rows:
        return (f"{case.rows} predictions expected, {len(predictions)} received",)
    expected = case.replies()
    try:
        given = task.recorded_answer({name: [each[name] for each in predictions] for name in case.answers})
    except (KeyError, TypeError, ValueError) as error:
        return (f"no answers of a {task.name}: {error!r}",)
    apart = task.distances(task.recorded_answer(case.answers), given)
    wrong = []
    for row, (prediction, before) in enumerate(zip(predictions, expected, strict=True)):
        # Not `>`: a NaN must not pass.
        if not apart[row] <= tolerance:
            name = task.output
            wrong.append(f"row {row}: {name} {prediction[name]}, expected {before[name]} within {tolerance}")
        key = task.decision_key
        if key and prediction[key] != before[key]:
            wrong.append(f"row {row}: {key} {prediction[key]}, expected {before[key]}")
    return tuple(wrong)
