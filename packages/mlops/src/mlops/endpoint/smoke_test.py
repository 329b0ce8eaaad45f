"""Asks a deployment the golden questions of its model package, and compares the answers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from mlops.core.errors import EndpointUnreachable, RequestRefused, RolloutFailed
from mlops.endpoint.client import SYNTHETIC_HEADER, Address, call, require_success
from model_package.errors import PackageError
from model_package.golden import Golden, GoldenCase
from model_package.package import read_golden


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
