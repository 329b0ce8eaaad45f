"""Reads the table of an MLTable folder as a pandas data frame: files beside it, delimited text or parquet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

_TABLE_FILE = "MLTable"
_DELIMITED, _PARQUET, _JSON_LINES = "read_delimited", "read_parquet", "read_json_lines"
_ENCODINGS = {"utf8": "utf-8", "iso88591": "iso-8859-1", "latin1": "latin-1", "windows1252": "cp1252"}
_COLUMN_TYPES = {"string": "string", "boolean": "boolean", "int": "Int64", "float": "float64"}


class TableError(Exception):
    """A table cannot be read; the message is for the author of the job."""


def read_table(path: Path) -> pd.DataFrame:
    """All rows of a table, given as its folder or its MLTable file. Missing values are NaN. Raises TableError."""
    description = path / _TABLE_FILE if path.is_dir() else path
    if description.name != _TABLE_FILE or not description.is_file():
        raise TableError(
            f"'{path.name}' is not a table: it has no file {_TABLE_FILE}. Write one beside the data that names its "
            "files under `paths` and how to read them under `transformations`."
        )
    document = yaml.safe_load(description.read_text(encoding="utf-8")) or {}
    steps = [_named(step) for step in document.get("transformations") or []]
    if not steps or steps[0][0] not in _READERS:
        raise TableError(f"The first transformation in {_TABLE_FILE} must be one of {', '.join(_READERS)}.")
    (reader, options), *others = steps
    frames = [_READERS[reader](file, options) for file in _files(document, description.parent)]
    if not frames:
        raise TableError(f"{_TABLE_FILE} names no files that exist.")
    table = pd.concat(frames, ignore_index=True)
    for name, given in others:
        if name not in _CHANGES:
            raise TableError(f"{_TABLE_FILE}: AutoML in the emulator knows {', '.join(_CHANGES)}, not '{name}'.")
        table = _CHANGES[name](table, given)
    return table


def _named(step: Any) -> tuple[str, Any]:
    if isinstance(step, str):
        return step, {}
    ((name, given),) = step.items()
    return name, given if given is not None else {}


def _files(document: Mapping[str, Any], folder: Path) -> list[Path]:
    found = []
    for entry in document.get("paths") or []:
        text = str(entry.get("file") or entry.get("folder") or entry.get("pattern") or "")
        if not text or "://" in text:
            raise TableError(f"{_TABLE_FILE}: the path '{text}' cannot be read.")
        # The emulator itself writes absolute paths, in the place of addresses.
        base = Path("/") if Path(text).is_absolute() else folder
        for path in sorted(base.glob(text.removeprefix("./").lstrip("/"))):
            found += sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    return [path for path in found if path.name != _TABLE_FILE]


def _delimited(file: Path, options: Mapping[str, Any]) -> pd.DataFrame:
    encoding = str(options.get("encoding") or "utf8")
    header = None if str(options.get("header")).lower() == "no_header" else 0
    table = pd.read_csv(
        file,
        sep=str(options.get("delimiter") or ","),
        encoding=_ENCODINGS.get(encoding.lower(), encoding),
        header=header,
    )
    return table if header == 0 else table.rename(columns=lambda place: f"Column{place + 1}")


def _parquet(file: Path, _: Mapping[str, Any]) -> pd.DataFrame:
    return pd.read_parquet(file)


def _json_lines(file: Path, _: Mapping[str, Any]) -> pd.DataFrame:
    return pd.read_json(file, lines=True)


def _keep(table: pd.DataFrame, names: Any) -> pd.DataFrame:
    return table[_columns(table, names)]


def _drop(table: pd.DataFrame, names: Any) -> pd.DataFrame:
    return table.drop(columns=_columns(table, names))


def _convert(table: pd.DataFrame, given: Any) -> pd.DataFrame:
    for entry in given:
        kind = entry["column_type"]
        kind = next(iter(kind)) if isinstance(kind, dict) else kind
        for name in _columns(table, entry["columns"]):
            if kind == "datetime":
                table[name] = pd.to_datetime(table[name])
            elif kind in _COLUMN_TYPES:
                table[name] = table[name].astype(_COLUMN_TYPES[kind])
            else:
                raise TableError(f"{_TABLE_FILE}: unknown type '{kind}' of the column '{name}'.")
    return table


def _columns(table: pd.DataFrame, names: Any) -> list[str]:
    wanted = [names] if isinstance(names, str) else list(names)
    missing = [name for name in wanted if name not in table]
    if missing:
        raise TableError(f"{_TABLE_FILE} names the column '{missing[0]}', which the data does not have.")
    return wanted


_READERS: dict[str, Callable[..., Any]] = {_DELIMITED: _delimited, _PARQUET: _parquet, _JSON_LINES: _json_lines}
_CHANGES: dict[str, Callable[..., Any]] = {
    "keep_columns": _keep,
    "drop_columns": _drop,
    "convert_column_types": _convert,
}
