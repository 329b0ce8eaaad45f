"""Publishes audit records to a stage's Event Grid topic, as CloudEvents 1.0.

An event points to its record: consumers read the record in the audit log, and trust only that. Its id is the
record's hash, so that a record published twice is one event.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest
from pydantic import BaseModel, ConfigDict, Field

from mlops.audit.record import Event, Record
from mlops.azure.errors import explain
from mlops.azure.workspace import connect_events, connect_management
from mlops.cli.progress import say
from mlops.core.errors import MlopsError
from mlops.settings.project import Stage
from mlops.settings.stages import StageName

DRIFT_FOUND: Final = "mlops.DriftFound"
ROLLED_OUT: Final = "mlops.RolledOut"
ROLLED_BACK: Final = "mlops.RolledBack"
AnnouncementType = Literal["mlops.DriftFound", "mlops.RolledOut", "mlops.RolledBack"]
_LONGEST_REASON: Final = 500
_NOTHING_ASKED: Final = ("", "no")


class AnnouncementData(BaseModel):
    """An event's data: the position of the record in a stage's log, and its reason for people.

    `retrain` lets a subscription select drift that newer data may fix; the record itself is authoritative.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: StageName
    record: Annotated[int, Field(ge=1)]
    model: Annotated[str, Field(max_length=255)]
    version: Annotated[str, Field(max_length=255)]
    reason: Annotated[str, Field(max_length=_LONGEST_REASON)]
    retrain: bool = False


class Announcement(BaseModel):
    """A CloudEvent of this project; other attributes, which brokers add, are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"]
    id: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    source: Annotated[str, Field(max_length=1000)]
    type: AnnouncementType
    subject: Annotated[str, Field(max_length=1000)]
    time: str
    datacontenttype: Literal["application/json"] = "application/json"
    data: AnnouncementData


def announcement_of(record: Record, source: str) -> Announcement | None:
    """The event for a record of the workspace `source`; None for most records."""
    event = record.event
    kind = _kind(event)
    if kind is None:
        return None
    facts: dict[str, Any] = {
        "specversion": "1.0",
        "id": record.hash(),
        "source": source,
        "type": kind,
        "subject": f"stages/{event.stage}/records/{record.number}",
        "time": record.time.isoformat(),
        "data": {
            "stage": event.stage,
            "record": record.number,
            "model": event.model,
            "version": event.version,
            "reason": event.reason[:_LONGEST_REASON],
            "retrain": kind == DRIFT_FOUND and asks_for_retraining(event),
        },
    }
    return Announcement.model_validate(facts)


def asks_for_retraining(event: Event) -> bool:
    """Whether the record is a verdict that a newer model may fix."""
    return event.evidence.get("retrain", "") not in _NOTHING_ASKED


def _kind(event: Event) -> AnnouncementType | None:
    match event.kind, event.step:
        case "monitor", _ if event.evidence.get("state") == "drift":
            return DRIFT_FOUND
        case "rollout", "finish":
            return ROLLED_OUT
        case "rollback", step if step != "tidy up":
            return ROLLED_BACK
        case _:
            return None


_API_VERSION: Final = "2022-06-15"
_PUBLISHING_VERSION: Final = "2018-01-01"
_CONTENT_TYPE: Final = "application/cloudevents-batch+json; charset=utf-8"


def announce(stage: Stage, record: Record) -> bool:
    """Publish a record to the stage's topic; return whether there was an event and it was accepted.

    Safe to repeat: the event has the same id. Needs the roles Reader and EventGrid Data Sender on the topic.
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
        say(f"record {record.number} was not published: {explained.message if explained else error}")
        return False
    return True


def topic_id(stage: Stage) -> str:
    """The full resource id of a stage's topic on Azure."""
    return f"{_group(stage)}/providers/Microsoft.EventGrid/topics/{stage.events_topic}"


def _group(stage: Stage) -> str:
    return f"/subscriptions/{stage.subscription_id}/resourceGroups/{stage.resource_group}"


def _address(topic: str) -> str:
    """The endpoint that a topic accepts events at."""
    client = connect_management()
    request = HttpRequest("GET", client.format_url(topic), params={"api-version": _API_VERSION})
    reply = client.send_request(request)
    reply.raise_for_status()
    return str(reply.json()["properties"]["endpoint"])
