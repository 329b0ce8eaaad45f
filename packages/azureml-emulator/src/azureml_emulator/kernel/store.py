"""Persistence in SQLite: resources, and small records such as operations and blob properties, as rows of JSON.

The only place that knows SQLite, and it knows no rule of Azure. One connection, used from the event loop's thread only;
WAL mode, so that committed writes survive a kill -9.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    parent TEXT NOT NULL,
    document TEXT NOT NULL,
    internal TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS resources_by_parent ON resources (parent, kind);
CREATE INDEX IF NOT EXISTS resources_by_kind ON resources (kind);
CREATE TABLE IF NOT EXISTS records (
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (topic, key)
);
"""

_SOUND = "ok"
_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE})
# Room for the ends of jobs and operations on a disk that they have filled.
_RESERVE_BYTES = 1 << 20


@dataclass(frozen=True)
class Resource:
    """One resource: `document` is what clients see, `internal` what only the emulator knows.

    `key` and `parent` are ARM ids in lower case, `kind` a path of the KINDS table in lower case.
    `sequence` grows with creation and stays with the resource; 0 before it is stored.
    """

    key: str
    kind: str
    parent: str
    document: dict[str, Any]
    internal: dict[str, Any] = field(default_factory=dict)
    sequence: int = 0

    @property
    def id(self) -> str:
        """The ARM id in the case in which it was first written."""
        return self.document["id"]

    @property
    def name(self) -> str:
        """The last segment of the id."""
        return self.document["name"]

    @property
    def properties(self) -> dict[str, Any]:
        """The `properties` of the document, which differ by kind."""
        return self.document["properties"]

    def with_properties(self, **changes: Any) -> Resource:
        """A copy with some properties replaced."""
        return replace(self, document={**self.document, "properties": {**self.properties, **changes}})

    def with_internal(self, **changes: Any) -> Resource:
        """A copy with some internal facts replaced."""
        return replace(self, internal={**self.internal, **changes})


Watcher = Callable[[Resource | None, Resource], None]


class StoreDamaged(Exception):
    """The database cannot be used; the message names the file and the reason."""


class Store:
    """Resources by key, and small records by topic and key. Raises StoreDamaged for a file that cannot be used."""

    def __init__(self, file: Path) -> None:
        try:
            self._connection = sqlite3.connect(file, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_SCHEMA)
            (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            raise StoreDamaged(f"{file} cannot be read: {error}.") from error
        if found != _SOUND:
            raise StoreDamaged(f"{file} is damaged: {' '.join(found.split())}.")
        self.folder = file.parent
        self._reserve = file.with_suffix(".reserve")
        self._keep_reserve()
        self._watchers: list[Watcher] = []

    def _write(self, statement: str, values: tuple[str, ...] = ()) -> None:
        """Execute a statement that writes, with the reserve if it must. Raises OSError when the disk is full."""
        within = self._connection.in_transaction
        for attempt in range(2):
            try:
                self._connection.execute(statement, values)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode not in _FULL:
                    raise
                if attempt or self._connection.in_transaction != within:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder)) from error
                self._reserve.unlink(missing_ok=True)
            else:
                return

    def _keep_reserve(self) -> None:
        """At start: occupy the reserve, where there is room for it."""
        try:
            if not self._reserve.exists():
                self._reserve.write_bytes(bytes(_RESERVE_BYTES))
        except OSError:
            self._reserve.unlink(missing_ok=True)

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` with each changed resource, before and after, inside the transaction that changes it."""
        self._watchers.append(watcher)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Apply all writes of the block, or none. Must not span an await. Raises OSError when the disk is full."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._write("COMMIT")
        except BaseException:
            # A full disk has rolled it back already.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def put(self, resource: Resource) -> Resource:
        """Insert or replace by key; an existing resource keeps its sequence."""
        with nullcontext() if self._connection.in_transaction else self.transaction():
            before = self.get(resource.key) if self._watchers else None
            stored = self._put(resource)
            for watcher in self._watchers:
                watcher(before, stored)
        return stored

    def _put(self, resource: Resource) -> Resource:
        self._write(
            "INSERT INTO resources (key, kind, parent, document, internal) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET document = excluded.document, internal = excluded.internal",
            (
                resource.key.lower(),
                resource.kind.lower(),
                resource.parent.lower(),
                json.dumps(resource.document),
                json.dumps(resource.internal),
            ),
        )
        stored = self.get(resource.key)
        if stored is None:
            raise sqlite3.IntegrityError(f"{resource.key} was not stored")
        return stored

    def get(self, key: str) -> Resource | None:
        """One resource by its id, compared without case, or None."""
        row = self._connection.execute(f"{_SELECT} WHERE key = ?", (key.lower(),)).fetchone()
        return _resource(row) if row else None

    def children(self, parent: str, kind: str) -> list[Resource]:
        """All resources of a kind directly below a parent, oldest first."""
        rows = self._connection.execute(
            f"{_SELECT} WHERE parent = ? AND kind = ? ORDER BY sequence", (parent.lower(), kind.lower())
        )
        return [_resource(row) for row in rows]

    def of_kind(self, kind: str) -> list[Resource]:
        """All resources of a kind in every scope, oldest first."""
        rows = self._connection.execute(f"{_SELECT} WHERE kind = ? ORDER BY sequence", (kind.lower(),))
        return [_resource(row) for row in rows]

    def mentioning(self, kinds: Sequence[str], text: str) -> list[Resource]:
        """All resources of these kinds whose documents have a text in lower case somewhere, oldest first."""
        places = ", ".join("?" for _ in kinds)
        rows = self._connection.execute(
            f"{_SELECT} WHERE kind IN ({places}) AND instr(lower(document), ?) ORDER BY sequence", (*kinds, text)
        )
        return [_resource(row) for row in rows]

    def delete(self, key: str) -> None:
        """Delete a resource and everything below it."""
        lower = key.lower()
        below = lower.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "/%"
        self._write("DELETE FROM resources WHERE key = ? OR key LIKE ? ESCAPE '\\'", (lower, below))

    def record(self, topic: str, key: str) -> dict[str, Any] | None:
        """A small record, or None."""
        row = self._connection.execute("SELECT value FROM records WHERE topic = ? AND key = ?", (topic, key)).fetchone()
        return json.loads(row[0]) if row else None

    def records(self, topic: str) -> dict[str, dict[str, Any]]:
        """All records of a topic by key."""
        rows = self._connection.execute("SELECT key, value FROM records WHERE topic = ?", (topic,))
        return {key: json.loads(value) for key, value in rows}

    def put_record(self, topic: str, key: str, value: dict[str, Any]) -> None:
        """Insert or replace a small record."""
        self._write(
            "INSERT OR REPLACE INTO records (topic, key, value) VALUES (?, ?, ?)",
            (topic, key, json.dumps(value)),
        )

    def delete_record(self, topic: str, key: str) -> None:
        """Delete a small record; no error when there is none."""
        self._write("DELETE FROM records WHERE topic = ? AND key = ?", (topic, key))


_SELECT = "SELECT key, kind, parent, document, internal, sequence FROM resources"


def _resource(row: tuple[str, str, str, str, str, int]) -> Resource:
    key, kind, parent, document, internal, sequence = row
    return Resource(key, kind, parent, json.loads(document), json.loads(internal), sequence)
