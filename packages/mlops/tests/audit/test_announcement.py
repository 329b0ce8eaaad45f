"""Which records others are told of, and that a subscriber to a stage's topic hears of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from azure.core.rest import HttpRequest

from azureml_emulator.testing import RunningEmulator, running_emulator
from mlops.audit.announcement import Announcement, announce, announcement_of
from mlops.audit.record import Event, EventKind, Record, follow
from mlops.azure.workspace import connect_management
from mlops.settings.project import Stage, load_project

ROOT = Path(__file__).parents[4]
PATIENCE_SECONDS = 60
DRIFT = {"state": "drift", "retrain": "weighted_drift"}


def record(kind: EventKind, step: str, evidence: dict[str, str] | None = None) -> Record:
    event = Event(kind=kind, stage="prod", step=step, model="m", version="3", digest="sha256:x", reason="r" * 600)
    when = datetime(2026, 3, 2, tzinfo=UTC)
    return follow(None, event.model_copy(update={"evidence": evidence or {}}), "somebody", when)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        pytest.param(record("monitor", "monitor", DRIFT), "mlops.DriftFound", id="drift"),
        pytest.param(record("monitor", "monitor", {"state": "quality"}), None, id="bad data"),
        pytest.param(record("rollout", "finish"), "mlops.RolledOut", id="rolled out"),
        pytest.param(record("rollout", "traffic-10"), None, id="a step of a rollout"),
        pytest.param(record("rollback", "traffic-10"), "mlops.RolledBack", id="rolled back"),
        pytest.param(record("rollback", "tidy up"), None, id="tidied up"),
        pytest.param(record("gate", "gate"), None, id="a gate"),
    ],
)
def test_what_others_are_told_of(told: Record, kind: str | None) -> None:
    found = announcement_of(told, "/workspace")

    assert (found.type if found else None) == kind
    if found:
        assert (found.id, found.data.record, found.subject) == (told.hash(), 1, "stages/prod/records/1")
        assert announcement_of(told, "/workspace") == found


@pytest.mark.parametrize(
    ("told", "retrain"),
    [
        pytest.param(record("monitor", "monitor", DRIFT), True, id="drift that newer data would mend"),
        pytest.param(record("monitor", "monitor", {**DRIFT, "retrain": "no"}), False, id="drift that none would"),
        pytest.param(record("rollout", "finish", {"retrain": "yes"}), False, id="a rollout"),
    ],
)
def test_an_event_says_whether_a_training_is_asked_for(told: Record, *, retrain: bool) -> None:
    found = announcement_of(told, "/workspace")

    assert found
    assert found.data.retrain is retrain


@pytest.fixture
def heard() -> Iterator[tuple[str, Queue[Any]]]:
    """The address of a subscriber, and what it has heard."""
    events: Queue[Any] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            self._reply()

        def do_POST(self) -> None:
            events.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._reply()

        def _reply(self) -> None:
            self.send_response(200)
            self.send_header("WebHook-Allowed-Origin", "*")
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", events
    server.shutdown()
    server.server_close()


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningEmulator]:
    with running_emulator(tmp_path / "state", background_start="lazy", strict=True) as running:
        for name, value in running.variables.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.mark.usefixtures("emulator")
def test_a_subscriber_hears_of_drift_and_a_topic_that_is_gone_fails_nothing(
    heard: tuple[str, Queue[Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    # given a stage with a topic, and somebody who subscribes to it
    address, events = heard
    without: Stage = load_project(ROOT).settings.stage("prod")
    stage = without.model_copy(update={"events_topic": "credit-default"})
    webhook = {"endpointType": "WebHook", "properties": {"endpointUrl": address}}
    # which wants what infra/ lets through to those who train
    only = {"operatorType": "BoolEquals", "key": "data.retrain", "value": True}
    filters = {"includedEventTypes": ["mlops.DriftFound"], "advancedFilters": [only]}
    schema = "CloudEventSchemaV1_0"
    wish = {"properties": {"destination": webhook, "eventDeliverySchema": schema, "filter": filters}}
    group = f"/subscriptions/{stage.subscription_id}/resourceGroups/{stage.resource_group}"
    place = f"{group}/providers/Microsoft.EventGrid/topics/credit-default"
    wanted = f"{place}/providers/Microsoft.EventGrid/eventSubscriptions/mine?api-version=2022-06-15"
    client = connect_management()
    for path, body in ((place, {"location": "westeurope"}), (wanted, wish)):
        client.send_request(HttpRequest("PUT", client.format_url(path), json=body)).raise_for_status()
    drift = record("monitor", "monitor", DRIFT)
    harmless = record("monitor", "monitor", {**DRIFT, "retrain": "no"})
    others = (record("rollout", "finish"), harmless, drift, record("gate", "gate"))

    # when
    told = [*(announce(stage, each) for each in others), announce(without, drift)]

    # then
    assert told == [True, True, True, False, False]
    event = Announcement.model_validate(events.get(timeout=PATIENCE_SECONDS))
    assert (event.type, event.id, event.data.stage) == ("mlops.DriftFound", drift.hash(), "prod")
    assert events.empty()

    # and a topic that is not there fails nothing
    assert announce(stage.model_copy(update={"events_topic": "gone"}), drift) is False
    assert "record 1 was not published" in capfd.readouterr().err
