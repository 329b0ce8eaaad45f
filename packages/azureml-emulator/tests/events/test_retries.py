"""When a delivery is retried, and which events a subscription matches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from azureml_emulator.events.retries import Limits, is_acknowledged, next_attempt
from azureml_emulator.events.subscription import read_subscription
from azureml_emulator.kernel.errors import BadRequest, NotModelled

BEGIN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LIMITS = Limits(attempts=30, lifetime=timedelta(hours=24), has_dead_letters=True)
WEBHOOK = {"endpointType": "WebHook", "properties": {"endpointUrl": "http://127.0.0.1:9/events?code=secret"}}
EVENT = {"id": "1", "source": "/w", "type": "RunStatusChanged", "subject": "experiments/e/runs/r", "data": {}}


@pytest.mark.parametrize(
    ("attempts", "status", "seconds"),
    [
        pytest.param(1, 0, 10, id="no answer"),
        pytest.param(2, 500, 30, id="second failure"),
        pytest.param(1, 503, 30, id="busy waits at least half a minute"),
        pytest.param(1, 404, 300, id="not found waits at least five minutes"),
        pytest.param(7, 500, 3600, id="an hour from the seventh on"),
    ],
)
def test_the_delay_grows(attempts: int, status: int, seconds: int) -> None:
    assert next_attempt(LIMITS, BEGIN, attempts, status, BEGIN) == BEGIN + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("limits", "attempts", "status", "age_hours", "reason"),
    [
        pytest.param(LIMITS, 30, 500, 1, "MaxDeliveryAttemptsExceeded", id="often enough"),
        pytest.param(LIMITS, 5, 500, 24, "TimeToLiveExceeded", id="long enough"),
        pytest.param(LIMITS, 1, 413, 0, "UndeliverableDueToHttpStatus", id="not retried"),
    ],
)
def test_gives_up(limits: Limits, attempts: int, status: int, age_hours: int, reason: str) -> None:
    assert next_attempt(limits, BEGIN, attempts, status, BEGIN + timedelta(hours=age_hours)) == reason


def test_only_five_statuses_acknowledge() -> None:
    assert [status for status in (199, 200, 201, 202, 203, 204, 205, 301) if is_acknowledged(status)] == [
        200,
        201,
        202,
        203,
        204,
    ]


def filtered(**filters: Any) -> bool:
    properties = {"destination": WEBHOOK, "eventDeliverySchema": "CloudEventSchemaV1_0", "filter": filters}
    return read_subscription("s", properties).matches({**EVENT, "data": {"runStatus": "failed", "late": True}})


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        pytest.param({}, True, id="none"),
        pytest.param({"includedEventTypes": ["RunCompleted"]}, False, id="another type"),
        pytest.param({"subjectBeginsWith": "Experiments/"}, True, id="subject without case"),
        pytest.param({"subjectBeginsWith": "Experiments/", "isSubjectCaseSensitive": True}, False, id="with case"),
        pytest.param({"subjectEndsWith": "/x"}, False, id="another end"),
        pytest.param(
            {"advancedFilters": [{"operatorType": "StringIn", "key": "data.runStatus", "values": ["Failed"]}]},
            True,
            id="a field of the data",
        ),
        pytest.param(
            {"advancedFilters": [{"operatorType": "StringIn", "key": "data.nothing", "values": ["x"]}]},
            False,
            id="a field that is not there",
        ),
        pytest.param(
            {"advancedFilters": [{"operatorType": "BoolEquals", "key": "data.late", "value": True}]},
            True,
            id="true",
        ),
        pytest.param(
            {"advancedFilters": [{"operatorType": "BoolEquals", "key": "data.late", "value": False}]},
            False,
            id="not false",
        ),
        pytest.param(
            {"advancedFilters": [{"operatorType": "BoolEquals", "key": "data.runStatus", "value": True}]},
            False,
            id="text is not a boolean",
        ),
    ],
)
def test_filters(filters: dict[str, Any], *, wanted: bool) -> None:
    assert filtered(**filters) is wanted


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        pytest.param({"eventDeliverySchema": "EventGridSchema"}, NotModelled, "CloudEventSchemaV1_0", id="schema"),
        pytest.param(
            {"destination": {**WEBHOOK, "properties": {"endpointUrl": "https://example.com/x"}}},
            NotModelled,
            "on loopback only",
            id="not on loopback",
        ),
        pytest.param({"destination": {"endpointType": "StorageQueue"}}, NotModelled, "StorageQueue", id="a queue"),
        pytest.param({"retryPolicy": {"maxDeliveryAttempts": 31}}, BadRequest, "from 1 to 30", id="too many attempts"),
    ],
)
def test_unsupported_subscriptions_are_refused(change: dict[str, Any], error: type[Exception], words: str) -> None:
    properties = {"destination": WEBHOOK, "eventDeliverySchema": "CloudEventSchemaV1_0"}
    with pytest.raises(error, match=words):
        read_subscription("s", {**properties, **change})
