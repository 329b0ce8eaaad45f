"""A request to a stage's endpoint, its reply, the log excerpt that explains a failure, and the smoke test."""

from __future__ import annotations

import json
import math
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
from model_package.package import read_golden

_ROWS_SHOWN = 20


@dataclass(frozen=True)
class ScoreResult(Result):
    """A successful reply; `reply` is the endpoint's own JSON."""

    endpoint: str
    deployment: str | None
    reply: Any

    def document(self) -> dict[str, Any]:
        """The endpoint's own reply, as it is."""
        return self.reply if isinstance(self.reply, dict) else {"reply": self.reply}

    def blocks(self) -> Sequence[Block]:
        """A row for each prediction, the first ones of many."""
        predictions = self.reply.get("predictions") if isinstance(self.reply, dict) else None
        if not predictions or not isinstance(predictions[0], dict):
            return [Raw(str(self.reply))]
        columns = ("row", *predictions[0])
        shown = predictions[:_ROWS_SHOWN]
        rows = tuple(
            (str(number), *(str(value) for value in prediction.values())) for number, prediction in enumerate(shown)
        )
        answered = f" by {self.deployment}" if self.deployment else ""
        facts = ", ".join(f"{key} {value}" for key, value in self.reply.items() if key != "predictions")
        blocks: list[Block] = [Table(f"{self.endpoint} answered{answered}", columns, rows), Line(facts)]
        if len(predictions) > len(shown):
            blocks.append(Line(f"{len(predictions) - len(shown)} more rows; --json prints all", "hint"))
        return blocks


def score(
    client: MLClient, project: Project, stage_name: StageName, body: bytes, deployment: str | None = None
) -> ScoreResult:
    """Send a body as it is, to the named deployment or wherever the traffic goes. Raises RequestRefused."""
    endpoint_name = project.settings.stage(stage_name).endpoint
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
    """The first traceback, where what the server says while it gives up comes later; else the last lines."""
    lines = [line for line in log.splitlines() if line.strip()]
    starts = (index for index, line in enumerate(lines) if line.rstrip().endswith(_TRACEBACK))
    first = next(starts, None)
    return tuple(lines[-MOST_LINES:]) if first is None else _traceback(lines[first:])


def _traceback(lines: Sequence[str]) -> tuple[str, ...]:
    """From its first line to the exception; frames are left out from the middle if it is long."""
    end = next((index for index, line in enumerate(lines[1:], 1) if not line.startswith(" ")), len(lines) - 1)
    return (lines[0], *lines[1 : end + 1][-MOST_LINES:])


def smoke_test(address: Address, deployment: str, package: Path) -> int:
    """Compare every golden case and return their number.

    Raises RolloutFailed at the first wrong answer, EndpointUnreachable when there is none at all.
    """
    golden = read_golden_cases(package)
    for number, case in enumerate(golden.cases, 1):
        body = json.dumps(case.request).encode()
        try:
            predictions = require_success(call(address, body, deployment, _SYNTHETIC)).json()["predictions"]
        except EndpointUnreachable:
            # Not this deployment's answer: whoever asks decides whether to ask again.
            raise
        except RequestRefused as refusal:
            message = f"{deployment} did not answer golden case {number}: {refusal.message}"
            raise RolloutFailed(message, _ADVICE, refusal.details) from refusal
        differences = difference(case, predictions, golden.tolerance)
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
_ADVICE = "Traffic stays where it is. Compare score.py and its environment with the model package."


def difference(case: GoldenCase, predictions: list[dict[str, Any]], tolerance: float) -> tuple[str, ...]:
    """What is wrong with the predictions for one golden case; empty when they agree."""
    expected, decisions = case.probability, case.decision
    if len(predictions) != len(expected):
        return (f"{len(expected)} predictions expected, {len(predictions)} received",)
    wrong = []
    for row, (prediction, probability, decision) in enumerate(zip(predictions, expected, decisions, strict=True)):
        given = float(prediction["probability"])
        # Not `>`: a NaN must not pass.
        if not math.isclose(given, probability, rel_tol=0.0, abs_tol=tolerance):
            wrong.append(f"row {row}: probability {given}, expected {probability} within {tolerance}")
        if prediction["decision"] != decision:
            wrong.append(f"row {row}: decision {prediction['decision']}, expected {decision}")
    return tuple(wrong)
