"""The storage of a stage's audit log, and the log for people and programs, after a check that it can be trusted.

Each record is an immutable data asset version in the stage's workspace. A version can be registered only once, with one
content: two writers cannot both write record 7, and nobody can rewrite it through the workspace. On Azure the container
is also immutable by policy (infra/). Archived versions are read like any other, so that archiving silences nothing; and
the newest record of each rollout is noted on the model in the registry, so that a cut tail shows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes, ListViewType
from azure.ai.ml.entities import Data
from azure.ai.ml.exceptions import AssetPathException
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from mlops.audit.record import (
    Anchor,
    Break,
    Event,
    Record,
    anchor_text,
    contradictions,
    follow,
    parse,
    parse_anchor,
    verify,
)
from mlops.azure.errors import explain
from mlops.azure.sdk_output import suppress_output
from mlops.azure.workspace import WorkspaceClients
from mlops.core.errors import MlopsError, WorkspaceError
from mlops.core.results import Block, Line, Result, Table
from mlops.githost.hosts import current_actor

_ASSET: Final = "audit-log"
_RECORD_PROPERTY: Final = "mlops.record"
_HASH_TAG: Final = "hash"
_ARCHIVED: Final = "is archived; restore it: az ml data restore --name audit-log --version {}"
# Of a model version in the registry: the record of its newest rollout to a stage.
_ANCHOR_TAG: Final = "audit_{}"
_ATTEMPTS: Final = 8


class AuditLog:
    """The log of one stage."""

    def __init__(self, client: MLClient, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._client = client
        self._now = now

    def append(self, event: Event) -> Record:
        """Write a record after the last one. Raises WorkspaceError if other writers always come first."""
        for _ in range(_ATTEMPTS):
            record = follow(self._last(self._read_stored()), event, current_actor(), self._now())
            if self._write(record):
                return record
        raise self._lost_race()

    def append_once(self, event: Event, same: Callable[[Event], bool]) -> tuple[Record, bool]:
        """Write a record unless one of the same event exists; return the record, and whether it is new.

        Of two concurrent writers only one writes. Raises WorkspaceError as `append` does.
        """
        found: list[Record] = []

        def is_first(records: Sequence[Record]) -> bool:
            found[:] = [each for each in records if same(each.event)][:1]
            return not found

        record = self.append_if(event, is_first)
        return (record, True) if record else (found[0], False)

    def append_if(self, event: Event, may: Callable[[Sequence[Record]], bool]) -> Record | None:
        """Write a record if `may` accepts all existing records, oldest first; return None if it does not.

        Records that others write meanwhile are checked too. Raises WorkspaceError as `append` does.
        """
        for _ in range(_ATTEMPTS):
            stored = list(self._read_stored())
            entries = [parse(text, number) for number, text, _ in stored]
            if not may([entry for entry in entries if isinstance(entry, Record)]):
                return None
            # A concurrent writer takes our number, and its record is found in the next round.
            record = follow(self._last(stored), event, current_actor(), self._now())
            if self._write(record):
                return record
        raise self._lost_race()

    def read(self, anchors: Sequence[Anchor] = ()) -> tuple[tuple[Record, ...], tuple[Break, ...]]:
        """All records, oldest first, and where the log was tampered with, or contradicts what is noted elsewhere."""
        records: list[Record] = []
        breaks = [Break(number, _ARCHIVED.format(number)) for number in self._archived()]
        for version, text, noted in self._read_stored():
            entry = parse(text, version)
            if isinstance(entry, Break):
                breaks.append(entry)
                continue
            if entry.hash() != noted:
                breaks.append(Break(version, "does not match the hash noted when it was written"))
            records.append(entry)
        return tuple(records), (*breaks, *verify(records), *contradictions(records, anchors))

    def _lost_race(self) -> WorkspaceError:
        return WorkspaceError(
            f"the audit log could not be written: another record came first {_ATTEMPTS} times",
            "If another rollout of this stage is running, wait for it, then run again.",
        )

    def _last(self, stored: Iterable[tuple[int, str, str]]) -> Record | None:
        newest = max(stored, default=None)
        if newest is None:
            return None
        entry = parse(newest[1], newest[0])
        if isinstance(entry, Break):
            raise WorkspaceError(
                f"the audit log is broken: its last record, {entry.number}, {entry.reason}",
                "Nothing is appended to a log that cannot be trusted: `mlops history` shows where it is broken.",
            )
        return entry

    def _read_stored(self) -> Iterator[tuple[int, str, str]]:
        """Number, text and noted hash of every record, oldest first."""
        try:
            versions = list(self._client.data.list(name=_ASSET, list_view_type=ListViewType.ALL))
        except ResourceNotFoundError:
            return
        for asset in sorted(versions, key=lambda asset: int(asset.version or 0)):
            text = (asset.properties or {}).get(_RECORD_PROPERTY, "")
            yield int(asset.version or 0), text, (asset.tags or {}).get(_HASH_TAG, "")

    def _archived(self) -> list[int]:
        try:
            found = list(self._client.data.list(name=_ASSET, list_view_type=ListViewType.ARCHIVED_ONLY))
        except ResourceNotFoundError:
            return []
        return sorted(int(asset.version or 0) for asset in found)

    def _write(self, record: Record) -> bool:
        """Register the record's version; False if another writer has already taken it."""
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
            except (AssetPathException, HttpResponseError):
                # The error for a taken number differs between service versions, so look whether it is taken.
                if self._is_taken(record.number):
                    return False
                raise
        return True

    def _is_taken(self, number: int) -> bool:
        return any(int(asset.version or 0) == number for asset in self._client.data.list(name=_ASSET))


def anchor_tag(client: MLClient, stage: str, record: Record) -> dict[str, str]:
    """The tag that notes a stage's newest record, in a workspace, on a model version."""
    return {_ANCHOR_TAG.format(stage): anchor_text(record, client.workspace_name or "")}


def noted_anchors(client: MLClient, models: MLClient, model: str, stage: str) -> tuple[Anchor, ...]:
    """What the versions of a model, in the registry or the workspace that has them, note of a stage's log."""
    try:
        versions = list(models.models.list(name=model, list_view_type=ListViewType.ALL))
    except ResourceNotFoundError:
        return ()
    tag = _ANCHOR_TAG.format(stage)
    noted = [(each.version, (each.tags or {}).get(tag, "")) for each in versions]
    workspace = client.workspace_name or ""
    found = [parse_anchor(text, workspace, f"version {version} of model {model}") for version, text in noted]
    return tuple(each for each in found if each)


_TIME: Final = "%Y-%m-%d %H:%M:%S"
COLUMNS: Final = ("", "time", "stage", "what", "model", "from → to", "traffic", "verdict", "who", "why")


@dataclass(frozen=True)
class StageHistory:
    """The log of one stage, oldest record first; `problem` says why it could not be read.

    `unanchored` says why it could not be compared with what is noted of it in the registry.
    """

    stage: str
    records: tuple[Record, ...] = ()
    breaks: tuple[Break, ...] = ()
    problem: str | None = None
    unanchored: str | None = None


def read_history(clients: WorkspaceClients, stage: str) -> StageHistory:
    """The log of one stage, compared with what the registry notes. Raises AzureError if the log cannot be read."""
    anchors: tuple[Anchor, ...] = ()
    unanchored = None
    try:
        client, models = clients.stage(stage), clients.models(stage)
        anchors = noted_anchors(client, models, clients.project.settings.model, stage)
    except (AzureError, MlopsError) as error:
        explained = error if isinstance(error, MlopsError) else explain(error)
        unanchored = explained.message if explained else str(error)
    records, breaks = AuditLog(clients.stage(stage)).read(anchors)
    return StageHistory(stage, records, breaks, unanchored=unanchored)


@dataclass(frozen=True)
class HistoryResult(Result):
    """What happened to the stages; people see the newest `limit` records, oldest first."""

    stages: tuple[StageHistory, ...]
    limit: int | None = None

    @property
    def exit_code(self) -> int:
        """1 if a log was tampered with, or could not be read."""
        return MlopsError.exit_code if any(stage.breaks or stage.problem for stage in self.stages) else 0

    def document(self) -> dict[str, Any]:
        """One key per stage."""
        return {"stages": {stage.stage: _stage(stage) for stage in self.stages}}

    def blocks(self) -> Sequence[Block]:
        """What is wrong with the logs, then every record in order of time."""
        broken = [
            Line(f"TAMPERED: record {each.number} of {stage.stage}'s log {each.reason}", "bad")
            for stage in self.stages
            for each in stage.breaks
        ]
        unknown = [
            Line(f"{each.stage}: not compared with the registry, which notes its newest rollout: {each.unanchored}")
            for each in self.stages
            if each.unanchored
        ]
        unknown += [Line(f"{stage.stage}: {stage.problem}", "bad") for stage in self.stages if stage.problem]
        records = sorted((record for stage in self.stages for record in stage.records), key=lambda each: each.time)
        if not records:
            # A log that could not be read may not be empty.
            nothing = [] if unknown else [Line("nothing has happened yet", "hint")]
            return [*broken, *unknown, *nothing]
        shown = records if self.limit is None else records[-self.limit :]
        older = len(records) - len(shown)
        table = Table("", COLUMNS, tuple(row_of(record) for record in shown), ("who", "from → to", "traffic"))
        return [
            *broken,
            *unknown,
            *([Line(f"{older:,} older records; without `--limit` all are shown", "hint")] if older else []),
            table,
            *([] if broken or unknown else [Line("the hash chain is intact", "good")]),
        ]


def row_of(record: Record) -> tuple[str, ...]:
    """A record as a row of a table with COLUMNS."""
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
        "unanchored": history.unanchored,
    }
