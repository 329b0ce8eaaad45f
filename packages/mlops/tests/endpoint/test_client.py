"""The client of an endpoint against a real HTTP server that answers what a test has put in."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlops.core.errors import RequestRefused, RolloutFailed
from mlops.core.results import Table
from mlops.endpoint.client import Address, call, require_success
from mlops.endpoint.scoring import ScoreResult, difference, smoke_test
from model_package.golden import GoldenCase
from model_package.package import write_schema
from model_package.schema import Decision, Feature, Schema
from model_package.tasks import task_of

BODY = b'{"input_data": [{"x": 1.0000000000000001}],  "note": "\xc3\xa9"}'

SCHEMA = Schema("", "late", (Feature("x", "number"),), decision=Decision(0.3))
TASK = task_of(SCHEMA)


@dataclass
class Endpoint:
    """What the server answers, and what it has received."""

    status: int = 200
    body: bytes = b'{"predictions": []}'
    address: Address = field(default_factory=lambda: Address("", "secret"))
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    state = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            state.received.append(
                ({name.lower(): value for name, value in self.headers.items()}, self.rfile.read(length))
            )
            self.send_response(state.status)
            self.send_header("azureml-model-deployment", "blue")
            self.send_header("Content-Length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        state.address = Address(f"http://127.0.0.1:{server.server_port}/score", "secret")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def test_body_is_sent_byte_by_byte_with_key_and_deployment(endpoint: Endpoint) -> None:
    reply = call(endpoint.address, BODY, "green")

    headers, body = endpoint.received[0]
    assert body == BODY
    assert headers["authorization"] == "Bearer secret"
    assert headers["azureml-model-deployment"] == "green"
    assert reply.deployment == "blue"


def test_deployment_of_one_call_does_not_stick_to_the_next(endpoint: Endpoint) -> None:
    call(endpoint.address, BODY, "green")
    call(endpoint.address, BODY)

    assert "azureml-model-deployment" not in endpoint.received[1][0]


@pytest.mark.parametrize(
    ("status", "body", "expected", "details"),
    [
        (
            400,
            {
                "error": {
                    "code": "InvalidInput",
                    "message": "1 problem",
                    "details": [{"row": 0, "field": "AGE", "reason": "must be at least 18"}],
                }
            },
            "answered 400: 1 problem",
            ("row 0, field AGE, reason must be at least 18",),
        ),
        (401, {"error": {"code": "Unauthorized", "message": "wrong key"}}, "answered 401: wrong key", ()),
        (404, {"error": {"message": "no deployment 'x'"}}, "no deployment 'x'", ()),
        (502, None, "answered 502: Bad Gateway", ()),
    ],
    ids=["bad input", "wrong key", "unknown deployment", "no JSON"],
)
def test_refusal_tells_what_the_endpoint_says(
    endpoint: Endpoint, status: int, body: dict[str, Any] | None, expected: str, details: tuple[str, ...]
) -> None:
    # given
    endpoint.status = status
    endpoint.body = json.dumps(body).encode() if body else b"Bad Gateway\n"

    # when
    with pytest.raises(RequestRefused) as caught:
        require_success(call(endpoint.address, BODY))

    # then
    assert expected in caught.value.message
    assert caught.value.details == details
    assert caught.value.advice
    assert caught.value.exit_code == 6


def test_nobody_listening_is_told(endpoint: Endpoint) -> None:
    nobody = Address("http://127.0.0.1:1/score", "secret")

    with pytest.raises(RequestRefused, match="does not answer"):
        call(nobody, BODY)


def golden(folder: Path, probability: float, decision: int = 1) -> Path:
    case = {"request": {"input_data": [{"x": 1}]}, "probability": [probability], "decision": [decision]}
    (folder / "golden.json").write_text(json.dumps({"tolerance": 1e-5, "cases": [case, case]}))
    write_schema(folder, SCHEMA)
    return folder


def test_smoke_test_passes_within_the_tolerance(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.body = b'{"predictions": [{"probability": 0.300009, "decision": 1}]}'

    assert smoke_test(endpoint.address, "green", golden(tmp_path, 0.3)) == 2
    assert endpoint.received[0][0]["azureml-model-deployment"] == "green"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"probability": 0.30002, "decision": 1}, "probability 0.30002"),
        ({"probability": 0.3, "decision": 0}, "decision 0, expected 1"),
    ],
    ids=["probability", "decision"],
)
def test_smoke_test_stops_a_wrong_answer(
    endpoint: Endpoint, tmp_path: Path, answer: dict[str, float], reason: str
) -> None:
    endpoint.body = json.dumps({"predictions": [answer]}).encode()

    with pytest.raises(RolloutFailed) as caught:
        smoke_test(endpoint.address, "green", golden(tmp_path, 0.3))

    assert reason in caught.value.details[0]


def test_smoke_test_tells_a_refusal(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.status = 500

    with pytest.raises(RolloutFailed, match="did not answer golden case 1"):
        smoke_test(endpoint.address, "green", golden(tmp_path, 0.3))


def test_package_without_golden_cases_does_not_pass(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "golden.json").write_text('{"tolerance": 1, "cases": []}')

    with pytest.raises(RolloutFailed, match="at least one case"):
        smoke_test(endpoint.address, "green", tmp_path)


def test_not_a_number_is_a_difference() -> None:
    case = GoldenCase({}, {"probability": [0.3], "decision": [0]})

    assert difference(TASK, case, [{"probability": float("nan"), "decision": 0}], 1.0)


def test_missing_predictions_are_a_difference() -> None:
    case = GoldenCase({}, {"probability": [0.3, 0.4], "decision": [0, 0]})

    assert difference(TASK, case, [{"probability": 0.3, "decision": 0}], 1.0) == ("2 predictions expected, 1 received",)


PRICE = task_of(Schema("", "price", (Feature("x", "number"),), task="regression"))
RISK = task_of(Schema("", "risk", (Feature("x", "number"),), task="multiclass_classification", classes=("low", "high")))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (123_456.9, ""),
        (123_460.0, "row 0: prediction 123460.0, expected 123456.7 within 1e-05"),
        (float("nan"), "row 0: prediction nan"),
        (None, "row 0: prediction None"),
    ],
)
def test_the_answers_of_a_regression_differ_relatively(given: float | None, says: str) -> None:
    case = GoldenCase({}, {"prediction": [123_456.7]})

    found = difference(PRICE, case, [{"prediction": given}], 1e-5)

    assert bool(found) == bool(says)
    assert says in " ".join(found)


def test_another_label_is_a_difference_even_within_the_tolerance() -> None:
    shares = {"low": 0.5, "high": 0.5}
    case = GoldenCase({}, {"label": ["low"], "probabilities": [shares]})

    assert not difference(RISK, case, [{"label": "low", "probabilities": shares}], 1e-5)
    assert difference(RISK, case, [{"label": "high", "probabilities": shares}], 1e-5) == (
        "row 0: label high, expected low",
    )
    other = [{"label": "low", "probabilities": {"low": 0.6, "high": 0.4}}]
    assert "row 0: probabilities" in difference(RISK, case, other, 1e-5)[0]
    assert "no answers of a multiclass" in difference(RISK, case, [{"label": "low"}], 1e-5)[0]


def test_probabilities_of_classes_are_shown_largest_first():
    few = {"label": "b", "probabilities": {"a": 0.2512345, "b": 0.7487655}}
    many = {"label": 0, "probabilities": {f"{number}": 0.1 for number in range(10)}}

    (table, _) = ScoreResult("late-dev", "blue", {"predictions": [few, many], "model": "late"}).blocks()

    assert isinstance(table, Table)
    assert [row[-1] for row in table.rows] == ["b 0.7488, a 0.2512", "0 0.1, 1 0.1, 2 0.1, 3 0.1, 4 0.1, 5 more"]
