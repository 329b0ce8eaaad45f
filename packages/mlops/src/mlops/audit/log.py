"""Where a stage keeps its audit log, and the log for people and programs, which first says whether it can be trusted.

Each record is an immutable data asset version in the stage's workspace. A version can be registered once only, with one
content: two writers cannot both write record 7, and nobody can rewrite it through the workspace. On Azure the container
is immutable by policy as well (infra/).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Data
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from mlops.audit.record import Break, Event, Record, follow, parse, verify
from mlops.azure.sdk_output import suppress_output
from mlops.core.errors import MlopsError, WorkspaceError
from mlops.core.results import Block, Line, Result, Table
from mlops.githost.hosts import current_actor

_ASSET: Final = "audit-log"
_RECORD_PROPERTY: Final = "mlops.record"
_HASH_TAG: Final = "hash"
_ATTEMPTS: Final = 8
_CONFLICT: Final = 409


class AuditLog:
    """The log of one stage."""

    def __init__(self, client: MLClient, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._client = client
        self._now = now

    def append(self, event: Event) -> Record:
        """Write a record after the last one. Raises WorkspaceError when others always come first."""
        for _ in range(_ATTEMPTS):
            record = follow(self._last(self._stored()), event, current_actor(), self._now())
            if self._write(record):
                return record
        raise self._lost_race()

    def append_once(self, event: Event, same: Callable[[Event], bool]) -> tuple[Record, bool]:
        """Write a record unless one of a same event is there; the record, and whether it is new.

        Of two writers at once only one writes. Raises WorkspaceError as `append` does.
        """
        found: list[Record] = []

        def is_first(records: Sequence[Record]) -> bool:
            found[:] = [each for each in records if same(each.event)][:1]
            return not found

        record = self.append_if(event, is_first)
        return (record, True) if record else (found[0], False)

    def append_if(self, event: Event, may: Callable[[Sequence[Record]], bool]) -> Record | None:
        """Write a record if `may` agrees to it after all records that are there, oldest first; None if it does not.

        Whatever others write meanwhile is asked about too. Raises WorkspaceError as `append` does.
        """
        for _ in range(_ATTEMPTS):
            stored = list(self._stored())
            entries = [parse(text, number) for number, text, _ in stored]
            if not may([entry for entry in entries if isinstance(entry, Record)]):
                return None
            # Whoever writes meanwhile takes the number of ours, and is found in the next round.
            record = follow(self._last(stored), event, current_actor(), self._now())
            if self._write(record):
                return record
        raise self._lost_race()

    def read(self) -> tuple[tuple[Record, ...], tuple[Break, ...]]:
        """All records, oldest first, and where the log was tampered with."""
        records: list[Record] = []
        breaks: list[Break] = []
        for version, text, noted in self._stored():
            entry = parse(text, version)
            if isinstance(entry, Break):
                breaks.append(entry)
                continue
            if entry.hash() != noted:
                breaks.append(Break(version, "is not what was noted of it when it was written"))
            records.append(entry)
        return tuple(records), (*breaks, *verify(records))

    def _lost_race(self) -> WorkspaceError:
        return WorkspaceError(
            f"the audit log could not be written: {_ATTEMPTS} times another record came first",
            "Is another rollout of this stage going on? Run again when it is done.",
        )

    def _last(self, stored: Iterable[tuple[int, str, str]]) -> Record | None:
        newest = max(stored, default=None)
        if newest is None:
            return None
        entry = parse(newest[1], newest[0])
        if isinstance(entry, Break):
            raise WorkspaceError(
                f"the audit log is broken: its last record, {entry.number}, {entry.reason}",
                "Nothing is appended to a log that cannot be trusted: `mlops history` shows where it breaks.",
            )
        return entry

    def _stored(self) -> Iterator[tuple[int, str, str]]:
        """Number, text and noted hash of every record, oldest first."""
        try:
            versions = list(self._client.data.list(name=_ASSET))
        except ResourceNotFoundError:
            return
        for asset in sorted(versions, key=lambda asset: int(asset.version or 0)):
            text = (asset.properties or {}).get(_RECORD_PROPERTY, "")
            yield int(asset.version or 0), text, (asset.tags or {}).get(_HASH_TAG, "")

    def _write(self, record: Record) -> bool:
        """Register the record's version; False when that version is somebody else's already."""
        event = record.event
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{record.number:06}.json"
            file.write_text(record.text())
            asset = Data(
                name=_ASSET,
                version=str(record.number),
                type=AssetTypes.URI_FILE,
                path=str(file),
                description=f"{event.kind} {event.step}: {event.model} {event.version} in {event.stage}",
                properties={_RECORD_PROPERTY: record.text()},
                tags={_HASH_TAG: record.hash(), "kind": event.kind, "verdict": event.verdict},
            )
            try:
                with suppress_output():
                    self._client.data.create_or_update(asset)
            except ResourceExistsError:
                return False
            except HttpResponseError as error:
                if error.status_code == _CONFLICT:
                    return False
                raise
        return True


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
