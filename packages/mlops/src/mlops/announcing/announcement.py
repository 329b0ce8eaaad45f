"""Which audit records others are told of, and in which words: CloudEvents 1.0. Pure, no I/O.

An event is a pointer to its record: whoever acts on one reads the record in the audit log, and believes that. Its id
is the record's hash, so that a record told twice is one event.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlops.audit.record import Event, Record
from mlops.project import StageName

DRIFT_FOUND: Final = "mlops.DriftFound"
ROLLED_OUT: Final = "mlops.RolledOut"
ROLLED_BACK: Final = "mlops.RolledBack"
AnnouncementType = Literal["mlops.DriftFound", "mlops.RolledOut", "mlops.RolledBack"]
_LONGEST_REASON: Final = 500
_NOTHING_ASKED: Final = ("", "no")


class AnnouncementData(BaseModel):
    """What is told of a record: where it stands in which stage's log, and its reason for people.

    `retrain` lets a subscription choose the drift that newer data would mend; whether it does, says the record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: StageName
    record: Annotated[int, Field(ge=1)]
    model: Annotated[str, Field(max_length=255)]
    version: Annotated[str, Field(max_length=255)]
    reason: Annotated[str, Field(max_length=_LONGEST_REASON)]
    retrain: bool = False


class Announcement(BaseModel):
    """A CloudEvent of ours; other attributes, which brokers add, are passed over."""

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
    """What others are told of a record of the workspace `source`; None for most records."""
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
    """Whether a verdict was noted that a newer model would mend."""
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
