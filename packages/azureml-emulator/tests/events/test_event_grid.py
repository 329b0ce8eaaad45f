"""Subscribing, publishing and being told, over the wire; and what a kill does not lose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from azureml_emulator.testing import RunningEmulator

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

VERSION = {"api-version": "2022-06-15"}
TOPIC = "/subscriptions/{s}/resourceGroups/rg/providers/Microsoft.EventGrid/topics/mine"


def wish(url: str, *types: str) -> dict[str, Any]:
    destination = {"endpointType": "WebHook", "properties": {"endpointUrl": url}}
    schema = "CloudEventSchemaV1_0"
    return {
        "properties": {
            "destination": destination,
            "eventDeliverySchema": schema,
            "filter": {"includedEventTypes": types},
        }
    }


def place(above: str, name: str = "mine") -> str:
    return f"{above}/providers/Microsoft.EventGrid/eventSubscriptions/{name}"


def test_a_subscriber_is_told_of_a_registered_model(
    http: httpx.Client, ml_client: MLClient, workspace: str, subscriber: Any, tmp_path: Path
) -> None:
    # given
    from azure.ai.ml.entities import Model

    kind = "Microsoft.MachineLearningServices.ModelRegistered"
    made = http.put(place(workspace), params=VERSION, json=wish(subscriber.url, kind))
    assert made.status_code == 201, made.text
    file = tmp_path / "model.txt"
    file.write_text("told of")

    # when
    ml_client.models.create_or_update(Model(name="told-of", version="7", path=file, tags={"a": "b"}))

    # then
    (event,) = subscriber.wait(1)
    assert (event["type"], event["subject"]) == (kind, "models/told-of:7")
    assert event["data"]["ModelTags"]["a"] == "b"
    # and the address with its secret is shown only when asked for
    shown = http.get(place(workspace), params=VERSION).json()
    assert "secret" not in str(shown)
    assert http.post(f"{place(workspace)}/getFullUrl", params=VERSION).json() == {"endpointUrl": subscriber.url}
    listed = http.get(place(workspace).removesuffix("/mine"), params=VERSION).json()
    assert [each["name"] for each in listed["value"]] == ["mine"]
    assert http.delete(place(workspace), params=VERSION).status_code == 200


def test_who_does_not_agree_is_not_subscribed(
    http: httpx.Client, workspace: str, subscriber: Any, assert_azure_error: Callable[..., None]
) -> None:
    subscriber.origin = "somebody.else"

    refused = http.put(place(workspace, "other"), params=VERSION, json=wish(subscriber.url))

    assert_azure_error(refused, 400, "Endpoint validation", "handshake failed", "somebody.else")
    assert http.get(place(workspace, "other"), params=VERSION).status_code == 404


def publish(client: httpx.Client, running: RunningEmulator, endpoint: str, event: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {running.token('https://eventgrid.azure.net/.default')}"}
    return client.post(endpoint, headers=headers, json=event)


def test_an_event_of_ones_own_survives_a_kill_and_who_hangs_keeps_nobody_waiting(
    fresh_emulator: Callable[..., RunningEmulator],
    client_of: Callable[[RunningEmulator], httpx.Client],
    subscriber: Any,
) -> None:
    # given a subscriber that takes an event and does not answer, and another one
    quick = type(subscriber)()
    emulator = fresh_emulator()
    topic = TOPIC.format(s=emulator.settings.subscription)
    event = {"specversion": "1.0", "id": "e-1", "source": "/mine", "type": "DriftFound", "data": {"stage": "prod"}}
    with client_of(emulator) as client:
        endpoint = client.get(topic, params=VERSION).json()["properties"]["endpoint"]
        assert client.put(place(topic), params=VERSION, json=wish(subscriber.url)).status_code == 201
        assert client.put(place(topic, "quick"), params=VERSION, json=wish(quick.url)).status_code == 201
        subscriber.release.clear()
        assert publish(client, emulator, endpoint, [event]).status_code == 200
        assert publish(client, emulator, endpoint, [{"id": "no event"}]).status_code == 400
        assert client.post(endpoint, json=event).status_code == 401
        assert subscriber.asked.wait(60)
        again = {**event, "id": "e-2"}
        assert publish(client, emulator, endpoint, again).status_code == 200
    assert [each["id"] for each in quick.wait(2)] == ["e-1", "e-2"]
    quick.close()

    # when
    emulator.kill()
    subscriber.release.set()
    emulator.restart()

    # then it comes again, with the id by which a handler knows it
    assert [each["id"] for each in subscriber.wait(3)] == ["e-1", "e-1", "e-2"]
    with client_of(emulator) as client:
        assert client.delete(topic, params=VERSION).status_code == 204
        assert client.get(place(topic), params=VERSION).status_code == 404


@pytest.mark.parametrize("path", ["jobs/x", "../workspaces/w/models/m"])
def test_only_workspaces_and_topics_have_events(http: httpx.Client, workspace: str, path: str) -> None:
    assert http.put(place(f"{workspace}/{path}"), params=VERSION, json={}).status_code in {400, 501}
