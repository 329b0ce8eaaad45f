"""From the records of audit logs to what the page tells of them: rollouts, gates, and how measures moved. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from mlops.audit.record import Record

Outcome = Literal["released", "rolled back", "halted", "under way", "left unfinished"]
_TIDIED: Final = "tidy up"
# How monitoring writes down what a window came to.
_STATE: Final = "state"


@dataclass(frozen=True)
class Rollout:
    """The records of one rollout, first to last, and how it ended."""

    records: tuple[Record, ...]
    outcome: Outcome

    @property
    def first(self) -> Record:
        """What it began with."""
        return self.records[0]

    @property
    def last(self) -> Record:
        """What it ended with, as far as it is known."""
        return self.records[-1]

    @property
    def duration(self) -> timedelta:
        """From its first record to its last."""
        return self.last.time - self.first.time


@dataclass(frozen=True)
class Point:
    """A measure in a window that ended at `time`."""

    time: datetime
    value: float


@dataclass
class _Open:
    records: list[Record] = field(default_factory=list)

    def end(self, outcome: Outcome) -> list[Rollout]:
        ended = [Rollout(tuple(self.records), outcome)] if self.records else []
        self.records = []
        return ended


def rollouts(records: Sequence[Record], *, in_progress: bool) -> list[Rollout]:
    """The rollouts of one stage, newest first, from its records in order; `in_progress`: the last one is."""
    found: list[Rollout] = []
    current = _Open()
    for record in records:
        event = record.event
        if event.kind not in ("rollout", "rollback") or event.step == _TIDIED:
            continue
        if event.step == "begin" and any(each.event.step != "endpoint" for each in current.records):
            found += current.end("left unfinished")
        current.records.append(record)
        outcome = _ending(record)
        if outcome:
            found += current.end(outcome)
    found += current.end("under way" if in_progress else "left unfinished")
    return found[::-1]


def gates(records: Sequence[Record]) -> list[Record]:
    """The verdicts of gates, newest first."""
    return [record for record in reversed(records) if record.event.kind == "gate"]


def windows(records: Sequence[Record]) -> list[Record]:
    """The verdicts of monitoring, newest first."""
    return [record for record in reversed(records) if record.event.kind == "monitor"]


def state_of(record: Record) -> str:
    """What a window came to."""
    return record.event.evidence.get(_STATE, record.event.verdict)


def measured(records: Sequence[Record]) -> dict[str, list[Point]]:
    """Every measure of the windows over time, oldest first; what was not measured is left out."""
    found: dict[str, list[Point]] = defaultdict(list)
    for record in reversed(windows(records)):
        for name, text in record.event.evidence.items():
            value = _number(text)
            if value is not None:
                found[name].append(Point(_end_of_window(record), value))
    return dict(found)


def _ending(record: Record) -> Outcome | None:
    event = record.event
    if event.kind == "rollback":
        return "rolled back"
    if event.step == "finish":
        return "released"
    return "halted" if event.step == "halt" else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _end_of_window(record: Record) -> datetime:
    try:
        until = datetime.fromisoformat(record.event.evidence.get("until", ""))
    except ValueError:
        return record.time
    return until if until.tzinfo else record.time
