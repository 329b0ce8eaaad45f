"""A window of what deployments collected: their folders of JSON lines become one table of numbers, each row once.

Files are read one after the other and only numbers are kept (some 120 bytes a row): identities become hashes. Nothing
in the files is believed: what is half-written or of another shape is counted and left out. What the numbers mean is
left to the other modules.
"""

import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

INPUTS = "model_inputs"
OUTPUTS = "model_outputs"
CORRELATION_ID, ROW, TIME = "correlation_id", "row", "time"
PROBABILITY, DECISION, MODEL_VERSION = "probability", "decision", "model_version"
KEY = "key"
# Which hour a line is filed under, a server's clock has decided: the hours around the window count too.
CLOCK_SKEW = timedelta(hours=1)
_HOUR = timedelta(hours=1)
_BLOCK_BYTES = 16 * 1024 * 1024
_FILE = re.compile(r"(\d{4})/(\d{2})/(\d{2})/(\d{2})/[^/]+\.jsonl")
Fields = dict[str, pl.DataType]
_IDENTITY: Fields = {CORRELATION_ID: pl.String(), ROW: pl.Int64(), TIME: pl.String()}
_ANSWER: Fields = {PROBABILITY: pl.Float32(), DECISION: pl.Int8(), MODEL_VERSION: pl.String()}
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.f%:z"
_KINDS: dict[pl.DataType, tuple[type, ...]] = {
    pl.Float32(): (int, float),
    pl.Int8(): (int,),
    pl.Int64(): (int,),
    pl.String(): (str,),
}


@dataclass(frozen=True)
class Window:
    """From `since`, included, to `until`, excluded; both in UTC."""

    since: datetime
    until: datetime

    def may_hold(self, file: str) -> datetime | None:
        """The hour of a file, by its path below a collection, when it may hold rows of the window."""
        found = _FILE.fullmatch(file)
        if found is None:
            return None
        try:
            hour = datetime.strptime("".join(found.groups()), "%Y%m%d%H").replace(tzinfo=UTC)
        except ValueError:
            return None
        inside = hour + _HOUR > self.since - CLOCK_SKEW and hour < self.until + CLOCK_SKEW
        return hour if inside else None


@dataclass
class Found:
    """What reading came across, in numbers of lines or rows; `unknown_columns` are no features."""

    files: int = 0
    broken: int = 0
    repeated: int = 0
    skewed: int = 0
    unknown_columns: set[str] = field(default_factory=set)
    seen_columns: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Collected:
    """The rows of a window: features float32 (NaN: missing), `probability` float32, `decision`, `model_version`, `key`.

    The answer is null where none was collected. `key` is a hash of request id and row number.
    """

    frame: pl.DataFrame
    found: Found

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.frame.height

    def column(self, name: str) -> np.ndarray:
        """One column of numbers, float32 [rows], NaN where it is missing."""
        return self.frame[name].cast(pl.Float32).fill_null(float("nan")).to_numpy()


def read_window(folder: Path, window: Window, features: Sequence[str], deployments: Sequence[str] = ()) -> Collected:
    """Read <folder>/<deployment>/<collection>/yyyy/MM/dd/HH/*.jsonl; of a row that several have, the first's counts.

    Without names, all deployments count, in the order of their names. A folder that is not there holds nothing.
    """
    found = Found()
    names = deployments or sorted(each.name for each in folder.glob("*") if each.is_dir())
    inputs: Fields = dict.fromkeys(features, pl.Float32())
    nothing = [_empty(inputs).join(_empty(_ANSWER), on=KEY, how="left")]
    frames = [_deployment(folder / name, window, inputs, found) for name in names]
    everything = pl.concat([*nothing, *frames], how="vertical")
    del frames
    once = _each_once(everything)
    found.repeated += everything.height - once.height
    return Collected(once, found)


def row_keys() -> pl.Expr:
    """Hashes of request id and row number, alike for predictions and labels of one run."""
    return pl.struct(pl.col(CORRELATION_ID), pl.col(ROW)).hash(seed=0).alias(KEY)


def _deployment(folder: Path, window: Window, inputs: Fields, found: Found) -> pl.DataFrame:
    asked = pl.concat([_empty(inputs), *_frames(folder / INPUTS, window, inputs, found, is_input=True)])
    # An answer may be filed an hour later than its question.
    later = Window(window.since, window.until + CLOCK_SKEW)
    answered = pl.concat([_empty(_ANSWER), *_frames(folder / OUTPUTS, later, _ANSWER, found, is_input=False)])
    return asked.join(_each_once(answered), on=KEY, how="left", maintain_order="left")


def _each_once(rows: pl.DataFrame) -> pl.DataFrame:
    """The first row of every key; the rows themselves, not a copy, where none is repeated."""
    return rows.unique(KEY, keep="first", maintain_order=True) if rows[KEY].is_duplicated().any() else rows


def _frames(folder: Path, window: Window, fields: Fields, found: Found, *, is_input: bool) -> Iterator[pl.DataFrame]:
    files = ((file, window.may_hold(file.relative_to(folder).as_posix())) for file in sorted(folder.rglob("*.jsonl")))
    for file, hour in files:
        if hour is None:
            continue
        found.files += 1
        for block in _blocks(file):
            rows = _parse(block, fields, found, is_input=is_input)
            rows = _timed(rows, found)
            if is_input:
                # Of a line that was filed hours away from its own time, one of two clocks is wrong.
                near = pl.col(TIME).is_between(hour - CLOCK_SKEW, hour + _HOUR + CLOCK_SKEW)
                found.skewed += rows.height - rows.filter(near).height
            inside = rows.filter((pl.col(TIME) >= window.since) & (pl.col(TIME) < window.until))
            yield inside.select(*(_narrow(name, kind) for name, kind in fields.items()), row_keys())


def _blocks(file: Path) -> Iterator[bytes]:
    """A file's whole lines, block by block; what comes after the last line break is a line as well."""
    with file.open("rb") as stream:
        rest = b""
        while block := stream.read(_BLOCK_BYTES):
            whole, end, rest = (rest + block).rpartition(b"\n")
            if end:
                yield whole
        if rest.strip():
            yield rest


def _parse(block: bytes, fields: Fields, found: Found, *, is_input: bool) -> pl.DataFrame:
    if is_input:
        _note_columns(block, fields, found)
    row = pl.Struct({**fields, **_IDENTITY})
    try:
        # Strict: any value of another kind, and any line that is no JSON, is an error.
        lines = pl.read_ndjson(io.BytesIO(block), schema={"data": pl.List(row)})
        rows = lines.select(pl.col("data").explode(empty_as_null=False)).unnest("data")
    except pl.exceptions.PolarsError:
        rows = _careful(block, fields, found, is_input=is_input)
    usable = pl.all_horizontal(pl.col(list(_IDENTITY)).is_not_null())
    if not is_input:
        usable &= pl.all_horizontal(pl.col(list(fields)).is_not_null())
    kept = rows.filter(usable)
    found.broken += rows.height - kept.height
    return kept


def _note_columns(block: bytes, fields: Fields, found: Found) -> None:
    """Which columns the first usable line has; the strict reader looks at known ones only."""
    for line in block.split(b"\n"):
        rows = _rows_of(line)
        if rows and isinstance(rows[0], dict):
            found.seen_columns.update(rows[0])
            found.unknown_columns.update(set(rows[0]) - set(fields) - set(_IDENTITY))
            return


def _careful(block: bytes, fields: Fields, found: Found, *, is_input: bool) -> pl.DataFrame:
    """Read line by line what is not all of one shape, and count what cannot be used."""
    kinds = {**fields, **_IDENTITY}
    usable: list[dict[str, Any]] = []
    for line in block.split(b"\n"):
        if not line.strip():
            continue
        rows = _rows_of(line)
        if rows is None:
            found.broken += 1
            continue
        good = [each for each in rows if _is_row(each, kinds, nulls=is_input)]
        found.broken += len(rows) - len(good)
        usable += good
    return pl.DataFrame(usable, schema=kinds, orient="row")


def _rows_of(line: bytes) -> list[Any] | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    rows = document.get("data") if isinstance(document, dict) else None
    return rows if isinstance(rows, list) else None


def _is_row(row: Any, kinds: Fields, *, nulls: bool) -> bool:
    if not isinstance(row, dict):
        return False
    for name, kind in kinds.items():
        value = row.get(name)
        absent = value is None and nulls and name not in _IDENTITY
        if not absent and type(value) not in _KINDS[kind]:
            return False
    return True


def _timed(rows: pl.DataFrame, found: Found) -> pl.DataFrame:
    moment = pl.col(TIME).str.to_datetime(_TIME_FORMAT, time_unit="ms", time_zone="UTC", strict=False)
    timed = rows.with_columns(moment).filter(pl.col(TIME).is_not_null())
    found.broken += rows.height - timed.height
    return timed


def _narrow(name: str, kind: pl.DataType) -> pl.Expr:
    """A column as it is kept; texts are versions, of which there are few."""
    return pl.col(name).cast(pl.Categorical()) if kind == pl.String() else pl.col(name)


def _empty(fields: Fields) -> pl.DataFrame:
    kept = {name: pl.Categorical() if kind == pl.String() else kind for name, kind in fields.items()}
    return pl.DataFrame(schema={**kept, KEY: pl.UInt64()})
