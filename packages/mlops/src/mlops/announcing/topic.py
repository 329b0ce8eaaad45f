"""Publishes announcements to the Event Grid topic that a stage's settings name; a stage without one tells nobody.

Telling never fails what is told of: a topic that cannot be reached is said, and the record stays in the audit log.
"""

from __future__ import annotations

from typing import Final

from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest

from mlops.announcing.announcement import announcement_of
from mlops.audit.record import Record
from mlops.azure_errors import explain
from mlops.errors import MlopsError
from mlops.progress import say
from mlops.project import Stage
from mlops.workspace import connect_events, connect_management

_API_VERSION: Final = "2022-06-15"
_PUBLISHING_VERSION: Final = "2018-01-01"
_CONTENT_TYPE: Final = "application/cloudevents-batch+json; charset=utf-8"


def announce(stage: Stage, record: Record) -> bool:
    """Tell the stage's topic of a record; whether there was anything to tell and it was taken.

    Safe to do twice: the event has the same id. Asks for the roles Reader and EventGrid Data Sender on the topic.
    """
    if stage.events_topic is None:
        return False
    workspace = f"{_group(stage)}/providers/Microsoft.MachineLearningServices/workspaces/{stage.workspace}"
    announcement = announcement_of(record, workspace)
    if announcement is None:
        return False
    try:
        address = _address(topic_id(stage))
        body = [announcement.model_dump(mode="json")]
        request = HttpRequest(
            "POST",
            address,
            params={"api-version": _PUBLISHING_VERSION},
            headers={"Content-Type": _CONTENT_TYPE},
            json=body,
        )
        connect_events(address).send_request(request).raise_for_status()
    except (AzureError, MlopsError) as error:
        explained = error if isinstance(error, MlopsError) else explain(error)
        say(f"nobody was told of record {record.number}: {explained.message if explained else error}")
        return False
    return True


def topic_id(stage: Stage) -> str:
    """The whole name of a stage's topic on Azure."""
    return f"{_group(stage)}/providers/Microsoft.EventGrid/topics/{stage.events_topic}"


def _group(stage: Stage) -> str:
    return f"/subscriptions/{stage.subscription_id}/resourceGroups/{stage.resource_group}"


def _address(topic: str) -> str:
    """Where a topic takes events."""
    client = connect_management()
    request = HttpRequest("GET", client.format_url(topic), params={"api-version": _API_VERSION})
    reply = client.send_request(request)
    reply.raise_for_status()
    return str(reply.json()["properties"]["endpoint"])
