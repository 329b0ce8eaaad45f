"""Collected data is where Azure stores it: payloads from the router, and events that scripts send."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.serving.data_collection.collector_config import CollectedEvent, read_collector_config
from azureml_emulator.serving.data_collection.event_writer import (
    PENDING_BYTES,
    PENDING_EVENTS,
    Collector,
    EventWriter,
)
from azureml_emulator.testing import wait_for

UNLIMITED = 1 << 60

pytestmark = pytest.mark.xdist_group("serving")

# Sends what azureml-ai-monitoring's Collector sends, to where it would send it.
SCRIPT = """\
import json
import os

import requests


def send(name, data, request_id):
    address = f"http://{os.environ['AZUREML_MDC_HOST']}:{os.environ['AZUREML_MDC_PORT']}/modeldata/log"
    headers = {
        "Content-Type": "application/json",
        "trace-id": "1",
        "ce-time": "1700000000",
        "ce-type": f"azureml.inference.{name}",
        "ce-collect-data-type": "pandas.core.frame.DataFrame",
        "ce-agent": "azureml-ai-monitoring/1.0.0",
        "ce-x-request-id": request_id,
    }
    return requests.post(address, data=json.dumps(data), headers=headers).status_code


def init():
    with open(os.environ["AZUREML_MDC_CONFIG_PATH"]) as stream:
        print("collector", stream.read())


def run(body):
    asked = json.loads(body)
    return [send("model_inputs", [asked], "one"), send("nothing", [asked], "two")]
"""


def collector(sampling: float = 1.0, *names: str) -> dict[str, Any]:
    collections = {name: {"dataCollectionMode": "enabled", "samplingRate": sampling} for name in names}
    return {"collections": collections, "rollingRate": "Hour"}


def folder(service: Any, deployment: str, collection: str) -> Path:
    """The folder of a collection in the emulator's storage."""
    store = f"{service.workspace}/datastores/workspaceblobstore"
    properties = service.client.get(store, params={"api-version": "2024-10-01-preview"}).json()["properties"]
    account = properties["accountName"].rstrip("?").rpartition("/")[2]
    blobs = service.emulator.settings.state / "blobs" / account / properties["containerName"]
    return blobs / "modelDataCollector" / service.name / deployment / collection


def events(place: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted(place.rglob("*.jsonl")) for line in file.read_text().splitlines()]


def stored(place: Path, count: int) -> list[dict[str, Any]]:
    """The events of a collection, once there are so many."""
    return wait_for(lambda: found if len(found := events(place)) == count else None)


def test_payloads_are_stored_as_on_azure(service: Any) -> None:
    # given a deployment that collects its payloads
    service.deploy("blue", dataCollector=collector(1.0, "request", "response"))
    service.traffic({"blue": 100})
    key = service.key
    # when it is called: twice with JSON, once with something else
    began = datetime.now(UTC)
    asked = [{"rows": number} for number in range(2)]
    for body in asked:
        service.score(body, key=key, headers={"x-request-id": f"id-{body['rows']}"})
    service.score(b"\xff\xfe", key=key)
    place = folder(service, "blue", "request")
    requests = stored(place, 3)
    responses = stored(folder(service, "blue", "response"), 3)
    # then every request is in the hour's folder, as a cloud event, and has its response
    file = next(place.rglob("*.jsonl")).relative_to(place).as_posix()
    assert re.fullmatch(r"\d{4}/\d{2}/\d{2}/\d{2}/[0-9a-f-]+\.jsonl", file)
    assert datetime.strptime(file[:13], "%Y/%m/%d/%H").replace(tzinfo=UTC) <= datetime.now(UTC)
    assert [event["data"] for event in requests[:2]] == asked
    first = requests[0]
    assert (first["specversion"], first["type"]) == ("1.0", "azureml.inference.request")
    assert first["source"].endswith(f"/onlineEndpoints/{service.name}/deployments/blue")
    assert (first["path"], first["method"], first["datacontenttype"]) == ("/score", "POST", "application/json")
    assert (first["correlationid"], first["xrequestid"]) == ("id-0", "id-0")
    assert began.replace(microsecond=0) <= datetime.fromisoformat(first["time"]) <= datetime.now(UTC)
    assert responses[0]["correlationid"] == "id-0"
    assert responses[0]["data"]["text"] == "blue"
    assert requests[2]["data_base64"] == "//4="
    assert service.counts("blue")["collector"] == {"events": 6, "dropped": 0}


def test_the_sampling_rate_decides_how_many_are_stored(service: Any) -> None:
    # given a deployment that collects half of its requests, and one that collects none
    service.deploy("blue", dataCollector=collector(0.5, "request", "response"))
    service.deploy("green", dataCollector=collector(0.0, "request"))
    key = service.key
    # when both are called
    for _ in range(60):
        service.score({}, key=key, to="blue")
    service.score({}, key=key, to="green")
    # then about half is there, each request with its response
    requests, responses = wait_for(lambda: _all_stored(service))
    assert 10 <= len(requests) <= 50
    assert [event["xrequestid"] for event in requests] == [event["xrequestid"] for event in responses]
    assert service.counts("green")["collector"]["events"] == 0


def _all_stored(service: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]] | None:
    """Requests and responses of blue, once as many are stored as the emulator has collected."""
    requests, responses = (events(folder(service, "blue", name)) for name in ("request", "response"))
    collected = service.counts("blue")["collector"]["events"]
    return (requests, responses) if len(requests) == len(responses) == collected / 2 else None


def test_events_of_a_script_are_stored(service: Any) -> None:
    # given a script that sends what the library would send
    code = service.upload({"score.py": SCRIPT})
    service.deploy("blue", code=code, dataCollector=collector(0.25, "model_inputs", "request"))
    # when it is called
    reply = service.score({"AGE": 30}, to="blue")
    # then the enabled collection accepts it, and another one does not
    assert reply.json() == [200, 404]
    (event,) = stored(folder(service, "blue", "model_inputs"), 1)
    assert event["type"] == "azureml.inference.model_inputs"
    assert event["data"] == [{"AGE": 30}]
    assert (event["correlationid"], event["agent"]) == ("one", "azureml-ai-monitoring/1.0.0")
    assert event["time"] == "2023-11-14T22:13:20Z"
    assert (folder(service, "blue", "model_inputs") / "2023/11/14/22").is_dir()
    # and the library gets the sampling rate
    assert '"model_inputs": {"enabled": true, "sampleRatePercentage": 25.0}' in service.logs("blue")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"rollingRate": "Fortnight"}, "Fortnight", id="rolling rate"),
        pytest.param(collector(1.5, "request"), "samplingRate", id="sampling rate"),
    ],
)
def test_an_invalid_collector_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        read_collector_config({"dataCollector": given})


def test_an_event_is_one_line() -> None:
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    plan = read_collector_config({"dataCollector": {**collector(1.0, "request"), "rollingRate": "Minute"}})
    assert plan is not None
    assert plan.folder(moment) == "2026/03/01/12/00"
    for body in (b'{"a":\n 1}', b"two\nlines", b"\xff\n", b""):
        assert b"\n" not in CollectedEvent("request", moment, {}, body).line("somewhere")


def test_events_beyond_the_queue_are_dropped_and_counted(tmp_path: Path) -> None:
    plan = read_collector_config({"dataCollector": collector(1.0, "request")})
    assert plan is not None

    async def flood() -> Collector:
        data = EventWriter(UNLIMITED)
        taken = Collector(plan, "somewhere", {"request": tmp_path}, "one", data)
        # when more events arrive than the queue may hold, in number and in bytes
        taken.collect_payloads("/score", "POST", "0", b"x" * (PENDING_BYTES + 1), b"")
        for number in range(PENDING_EVENTS + 5):
            taken.collect_payloads("/score", "POST", str(number), b"{}", b"{}")
        await data.stop()
        return taken

    taken = asyncio.run(flood())
    # then the rest is dropped, and the accepted ones are stored
    assert taken.document() == {"events": PENDING_EVENTS, "dropped": 6}
    assert len(events(tmp_path)) == PENDING_EVENTS


def test_events_that_cannot_be_written_are_counted_as_dropped(tmp_path: Path) -> None:
    plan = read_collector_config({"dataCollector": collector(1.0, "request")})
    assert plan is not None
    (tmp_path / "taken").write_text("a file where the folder should be")

    async def collect() -> Collector:
        data = EventWriter(UNLIMITED)
        taken = Collector(plan, "somewhere", {"request": tmp_path / "taken"}, "one", data)
        taken.collect_payloads("/score", "POST", "0", b"{}", b"{}")
        await data.stop()
        return taken

    assert asyncio.run(collect()).document() == {"events": 0, "dropped": 1}


def test_the_oldest_files_are_deleted_beyond_the_limit(tmp_path: Path) -> None:
    plan = read_collector_config({"dataCollector": collector(1.0, "request", "response")})
    assert plan is not None
    folders = {name: tmp_path / name for name in ("request", "response")}

    async def collect(hours: range) -> None:
        data = EventWriter(10_000)
        taken = Collector(plan, "somewhere", folders, "one", data)
        for hour in hours:
            for name in folders:
                taken.collect(CollectedEvent(name, datetime(2026, 3, 1, hour, tzinfo=UTC), {}, b"x" * 1_000))
        await data.stop()

    # when two servers of a deployment collect more than it may have, one after the other
    asyncio.run(collect(range(6)))
    asyncio.run(collect(range(6, 12)))
    # then the newest files of both collections are there, and no more than allowed
    files = sorted(tmp_path.rglob("*.jsonl"))
    assert sum(file.stat().st_size for file in files) <= 10_000
    kept = {int(file.parent.name) for file in files}
    assert {8, 11} <= kept
    assert min(kept) >= 6
