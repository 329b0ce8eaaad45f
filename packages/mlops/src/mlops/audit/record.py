"""One audit record, and the hash chain of records: each holds the hash of the previous one. Pure, no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FIRST_PREVIOUS: Final = "sha256:" + "0" * 64
# Steps of events that others look for.
FINISH: Final = "finish"
BY_HAND: Final = "by hand"
PROPOSED: Final = "proposed"
# Evidence of a finished rollout: the environment whose image the stages share.
IMAGE: Final = "image"
EventKind = Literal["gate", "promotion", "rollout", "rollback", "monitor", "retraining", "retirement"]


class Event(BaseModel):
    """Something that happened to a stage. `origin`, `target`: deployments or stages; `traffic`: percent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: EventKind
    stage: str
    step: str
    model: str
    version: str
    digest: str
    origin: str | None = None
    target: str | None = None
    verdict: Literal["passed", "failed", "none"] = "none"
    reason: str = ""
    traffic: dict[str, int] = Field(default_factory=dict)
    evidence: dict[str, str] = Field(default_factory=dict)


class Record(BaseModel):
    """An event in the log: its number from 1, who and when, and the hash of the previous record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=1)
    time: datetime
    who: str
    event: Event
    previous: str

    def text(self) -> str:
        """The record's canonical form, one line of JSON: what is hashed and what is stored."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def hash(self) -> str:
        """sha256 of the canonical form, as "sha256:<hex>"."""
        return "sha256:" + hashlib.sha256(self.text().encode()).hexdigest()


@dataclass(frozen=True)
class Break:
    """A break in the chain: a record's number, and what is wrong there."""

    number: int
    reason: str


@dataclass(frozen=True)
class Anchor:
    """A record's number and hash as noted outside of the log: one whose tail is cut has no gap. `place` says where."""

    number: int
    hash: str
    place: str


def anchor_text(record: Record, workspace: str) -> str:
    """What is noted of a record outside of the log, which is in a workspace."""
    return f"{record.number} {record.hash()} {workspace}"


def parse_anchor(text: str, workspace: str, place: str) -> Anchor | None:
    """Read what was noted; None for anything else, and for what was noted of the log of another workspace."""
    match text.split():
        case [number, digest, where] if where == workspace and number.isascii() and number.isdecimal():
            return Anchor(int(number), digest, place)
        case _:
            return None


def contradictions(records: Sequence[Record], anchors: Sequence[Anchor]) -> tuple[Break, ...]:
    """Where a log lacks a record that was noted elsewhere, or has another one in its place."""
    known = {record.number: record.hash() for record in records}
    return tuple(
        Break(each.number, f"{'is missing' if each.number not in known else 'is another one'}: {each.place} notes it")
        for each in anchors
        if known.get(each.number) != each.hash
    )


def of_model(records: Sequence[Record], model: str) -> tuple[Record, ...]:
    """Those about one model: several may share a workspace, and with it the log."""
    return tuple(record for record in records if record.event.model == model)


def source_problem(records: Sequence[Record], digest: str) -> str | None:
    """Why a stage's log does not show that it ran a model and went on to a newer one; None if it does.

    A stage that later returned to a model from before did not keep it.
    """
    problem: str | None = "has no finished rollout of it in its audit log"
    before: set[str] = set()
    for event in (record.event for record in records):
        if not sets_live_model(event):
            continue
        if event.digest == digest:
            problem = None
        elif problem is None and event.digest in before:
            problem = f"returned from it to version {event.version}"
        before.add(event.digest)
    return problem


def sets_live_model(event: Event) -> bool:
    """Whether the stage runs the event's model from then on: a finished rollout, or a rollback by hand."""
    return (event.kind, event.step) in {("rollout", FINISH), ("rollback", BY_HAND)}


def ran_image(records: Sequence[Record], image: str) -> bool:
    """Whether a stage finished a rollout in an image, named by the digest of its environment's definition."""
    finished = (record.event for record in records if sets_live_model(record.event))
    return any(digest_of(event.evidence.get(IMAGE, "")) == digest_of(image) for event in finished if image)


def digest_of(image: str) -> str:
    """The digest in an image's name, version and digest: the same for an equal definition of another name."""
    return image.rpartition(" ")[2]


def was_proposed(records: Sequence[Record], digest: str, source: str) -> bool:
    """Whether a promotion from a stage was proposed here, after the gates passed and the stage ran it."""
    events = (record.event for record in records)
    found = (event for event in events if event.kind == "promotion" and event.step == PROPOSED)
    return any((event.digest, event.origin, event.verdict) == (digest, source, "passed") for event in found)


def follow(last: Record | None, event: Event, who: str, time: datetime) -> Record:
    """The record that comes after `last` (None: the first one)."""
    number = last.number + 1 if last else 1
    previous = last.hash() if last else FIRST_PREVIOUS
    return Record(number=number, time=time, who=who, event=event, previous=previous)


def parse(text: str, number: int) -> Record | Break:
    """Read a stored record; a Break if it is not a record, or not the one with this number."""
    try:
        record = Record.model_validate_json(text)
    except ValidationError as error:
        first: Any = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the record"
        return Break(number, f"is not a record: {place}: {first['msg']}")
    if record.number != number:
        return Break(number, f"claims to be record {record.number}")
    if record.text() != text.strip():
        return Break(number, "is not in canonical form")
    return record


def verify(records: Sequence[Record]) -> tuple[Break, ...]:
    """Where a chain, from its first record on, was changed, cut or reordered; empty if it is intact.

    A changed record shows at the next one, whose hash no longer matches; the last record has no next one, which is
    why its hash is also kept beside it (`log.py`).
    """
    breaks = []
    previous = FIRST_PREVIOUS
    for expected, record in enumerate(records, start=1):
        if record.number != expected:
            breaks.append(Break(expected, f"is missing: record {record.number} is in its place"))
            break
        if record.previous != previous:
            before = expected - 1
            reason = f"does not follow record {before}: one of the two was changed"
            breaks.append(Break(expected, reason))
        previous = record.hash()
    return tuple(breaks)
