"""The audit logs of stages for people and programs; whether they can be trusted comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from mlops.audit.record import Break, Record
from mlops.core.errors import MlopsError
from mlops.core.results import Block, Line, Result, Table

_TIME: Final = "%Y-%m-%d %H:%M:%S"
COLUMNS: Final = ("", "time", "stage", "what", "model", "from → to", "traffic", "verdict", "who", "why")


@dataclass(frozen=True)
class StageHistory:
    """The log of one stage, oldest record first; `problem` says why nothing is known of it."""

    stage: str
    records: tuple[Record, ...] = ()
    breaks: tuple[Break, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class HistoryResult(Result):
    """What happened to the stages."""

    stages: tuple[StageHistory, ...]

    @property
    def exit_code(self) -> int:
        """1 when a log was tampered with, or could not be read."""
        return MlopsError.exit_code if any(stage.breaks or stage.problem for stage in self.stages) else 0

    def document(self) -> dict[str, Any]:
        """A stage for each key."""
        return {"stages": {stage.stage: _stage(stage) for stage in self.stages}}

    def blocks(self) -> Sequence[Block]:
        """What is wrong with the logs, then every record in the order of time."""
        broken = [
            Line(f"TAMPERED: record {each.number} of {stage.stage}'s log {each.reason}", "bad")
            for stage in self.stages
            for each in stage.breaks
        ]
        unknown = [Line(f"{stage.stage}: {stage.problem}", "bad") for stage in self.stages if stage.problem]
        records = sorted((record for stage in self.stages for record in stage.records), key=lambda each: each.time)
        if not records:
            # Of a log that was not read nobody knows whether it is empty.
            nothing = [] if unknown else [Line("nothing has happened yet", "hint")]
            return [*broken, *unknown, *nothing]
        table = Table("", COLUMNS, tuple(row_of(record) for record in records))
        return [
            *broken,
            *unknown,
            table,
            *([] if broken or unknown else [Line("every record follows from the one before", "good")]),
        ]


def row_of(record: Record) -> tuple[str, ...]:
    """A record in a line of a table with COLUMNS."""
    event = record.event
    ends = " → ".join(end for end in (event.origin, event.target) if end)
    traffic = ", ".join(f"{name} {share} %" for name, share in sorted(event.traffic.items()))
    verdict = "" if event.verdict == "none" else event.verdict
    what = f"{event.kind} {event.step}" if event.step != event.kind else event.kind
    model = f"{event.model} {event.version}"
    time = record.time.strftime(_TIME)
    return (str(record.number), time, event.stage, what, model, ends, traffic, verdict, record.who, event.reason)


def _stage(history: StageHistory) -> dict[str, Any]:
    return {
        "records": [record.model_dump(mode="json") | {"hash": record.hash()} for record in history.records],
        "breaks": [asdict(each) for each in history.breaks],
        "problem": history.problem,
    }
