"""Event Grid over HTTP: subscriptions, publishing, delivery, and delivery after a kill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from azureml_emulator.testing import PATIENCE_SECONDS, RunningEmulator

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

VERSION = {"api-version": "2022-06-15"}
TOPIC = "/subscriptions/{s}/resourceGroups/rg/providers/Microsoft.EventGrid/topics/mine"


def subscription(url: str, *types: str) -> dict[str, Any]:
    destination = {"endpointType": "WebHook", "properties": {"endpointUrl": url}}
    schema = "CloudEventSchemaV1_0"
    return {
        "properties": {
            "destination": destination,
            "eventDeliverySchema": schema,
            "filter": {"includedEventTypes": types},
        }
    }


def subscription_path(above: str, name: str = "mine") -> str:
    return f"{above}/providers/Microsoft.EventGrid/eventSubscriptions/{name}"


def test_a_registered_model_is_an_event(
    http: httpx.Client, ml_client: MLClient, workspace: str, subscriber: Any, tmp_path: Path
) -> None:
    # given
    from azure.ai.ml.entities import Model

    kind = "Microsoft.MachineLearningServices.ModelRegistered"
    created = http.put(subscription_path(workspace), params=VERSION, json=subscription(subscriber.url, kind))
    assert created.status_code == 201, created.text
    file = tmp_path / "model.txt"
    file.write_text("a model of events")

    # when
    ml_client.models.create_or_update(Model(name="event-model", version="7", path=file, tags={"a": "b"}))

    # then
    (event,) = subscriber.wait(1)
    assert (event["type"], event["subject"]) == (kind, "models/event-model:7")
    assert event["data"]["ModelTags"]["a"] == "b"
    # and the address with its secret is shown only on request
    shown = http.get(subscription_path(workspace), params=VERSION).json()
    assert "secret" not in str(shown)
    assert http.post(f"{subscription_path(workspace)}/getFullUrl", params=VERSION).json() == {
        "endpointUrl": subscriber.url
    }
    listed = http.get(subscription_path(workspace).removesuffix("/mine"), params=VERSION).json()
    assert [each["name"] for each in listed["value"]] == ["mine"]
    assert http.delete(subscription_path(workspace), params=VERSION).status_code == 200


def test_an_endpoint_that_fails_the_handshake_is_not_subscribed(
    http: httpx.Client, workspace: str, subscriber: Any, assert_azure_error: Callable[..., None]
) -> None:
    subscriber.origin = "another.origin"

    refused = http.put(subscription_path(workspace, "other"), params=VERSION, json=subscription(subscriber.url))

    assert_azure_error(refused, 400, "Endpoint validation", "handshake failed", "another.origin")
    assert http.get(subscription_path(workspace, "other"), params=VERSION).status_code == 404


def publish(client: httpx.Client, running: RunningEmulator, endpoint: str, event: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {running.token('https://eventgrid.azure.net/.default')}"}
    return client.post(endpoint, headers=headers, json=event)


def test_custom_events_survive_a_kill_and_a_hanging_subscriber_delays_no_other(
    fresh_emulator: Callable[..., RunningEmulator],
    client_of: Callable[[RunningEmulator], httpx.Client],
    subscriber: Any,
) -> None:
    # given a subscriber that gets an event and does not reply, and another one
    quick = type(subscriber)()
    emulator = fresh_emulator()
    topic = TOPIC.format(s=emulator.settings.subscription)
    event = {"specversion": "1.0", "id": "e-1", "source": "/mine", "type": "DriftFound", "data": {"stage": "prod"}}
    with client_of(emulator) as client:
        endpoint = client.get(topic, params=VERSION).json()["properties"]["endpoint"]
        assert (
            client.put(subscription_path(topic), params=VERSION, json=subscription(subscriber.url)).status_code == 201
        )
        assert (
            client.put(subscription_path(topic, "quick"), params=VERSION, json=subscription(quick.url)).status_code
            == 201
        )
        subscriber.release.clear()
        assert publish(client, emulator, endpoint, [event]).status_code == 200
        assert publish(client, emulator, endpoint, [{"id": "no event"}]).status_code == 400
        assert client.post(endpoint, json=event).status_code == 401
        assert subscriber.asked.wait(PATIENCE_SECONDS)
        again = {**event, "id": "e-2"}
        assert publish(client, emulator, endpoint, again).status_code == 200
    assert [each["id"] for each in quick.wait(2)] == ["e-1", "e-2"]
    quick.close()

    # when
    emulator.kill()
    subscriber.release.set()
    emulator.restart()

    # then it is delivered again, with the same id
    assert [each["id"] for each in subscriber.wait(3)] == ["e-1", "e-1", "e-2"]
    with client_of(emulator) as client:
        assert client.delete(topic, params=VERSION).status_code == 204
        assert client.get(subscription_path(topic), params=VERSION).status_code == 404


@pytest.mark.parametrize("path", ["jobs/x", "../workspaces/w/models/m"])
def test_only_workspaces_and_topics_have_events(http: httpx.Client, workspace: str, path: str) -> None:
    assert http.put(subscription_path(f"{workspace}/{path}"), params=VERSION, json={}).status_code in {400, 501}
