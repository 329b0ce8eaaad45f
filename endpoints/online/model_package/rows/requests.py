"""A JSON request as the model's input, or exactly what is wrong with it; and the way back. Pure: no I/O.

Which values are allowed is said by rules.py; nothing here knows HTTP or the model.
Thousands of rows of numbers are checked without a Python loop over cells; a loop runs only to explain a refusal. Other
columns are read one after the other. A cell that is refused already is replaced by an allowed value, so that the rest
of its row is checked as well.
"""

import codecs
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from model_package.errors import Finding, InvalidRows
from model_package.rows import encoding
from model_package.rows.encoding import ModelInput, Tensors, Texts, encode, text_tensor
from model_package.rows.rules import RowRules
from model_package.schema import TEXT, Schema

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_ROWS = 100_000
MAX_FINDINGS = 20

ROWS_KEY = "input_data"
_GZIP = b"\x1f\x8b"
_SPLIT_KEYS = frozenset({"columns", "data"})
_SPLIT_OPTIONAL_KEYS = frozenset({"index"})
_NUMBERS = frozenset({int, float})
_JSON_NAMES = {str: "a string", bool: "a boolean", type(None): "null", list: "a list", dict: "an object"}
_SHAPE_ADVICE = (
    f'send {{"{ROWS_KEY}": [row, ...]}} with a row as an object of features, '
    f'or {{"{ROWS_KEY}": {{"columns": [...], "data": [[...], ...]}}}}'
)


def read_request(body: bytes, rules: RowRules, max_rows: int = MAX_ROWS) -> Tensors:
    """Return the rows of a request's body as the model's input.

    Raises InvalidRows for anything that is not a complete, valid request.
    """
    return request_tensors(_parse(body), rules, max_rows)


def request_tensors(document: Any, rules: RowRules, max_rows: int = MAX_ROWS) -> Tensors:
    """Do the same for a request that is parsed already, such as a golden one."""
    rows = _rows_of(document, max_rows)
    findings = _Findings()
    numbered = _from_split(rows, rules) if isinstance(rows, dict) else _from_records(rows, rules, findings)
    return _tensors_of(numbered, rules, findings)


def row_tensors(rows: list[tuple[Any, ...]], rules: RowRules) -> Tensors:
    """Do the same for rows whose cells are in the schema's order."""
    return _tensors_of(_Rows(range(len(rows)), rows), rules, _Findings())


def too_large(size: int) -> InvalidRows:
    """The refusal of a body of `size` bytes, for servers that do not keep one that is larger than MAX_BODY_BYTES."""
    return InvalidRows(f"the body has {size} bytes, at most {MAX_BODY_BYTES} are read; send several requests")


def as_request(rows: ModelInput, schema: Schema) -> dict[str, Any]:
    """Return rows as a request would ask for them: whole numbers without a fraction, labels, ISO 8601, null."""
    columns = encoding.cells(rows, schema)
    return {ROWS_KEY: [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}


@dataclass(slots=True)
class _Rows:
    """Rows as tuples of values in the schema's order, with each row's number in the request."""

    numbers: Sequence[int]
    values: list[tuple[Any, ...]]


@dataclass(slots=True)
class _Findings:
    """All findings are counted; only the first of each kind of check are kept."""

    count: int = 0
    kept: list[Finding] = field(default_factory=list)

    def add(self, found: Iterable[tuple[int, str | None, str]]) -> None:
        before = len(self.kept)
        for row, name, reason in found:
            self.count += 1
            if len(self.kept) - before < MAX_FINDINGS:
                self.kept.append(Finding(row, name, reason))

    def raise_if_any(self) -> None:
        if not self.count:
            return
        first = sorted(self.kept, key=lambda found: found.row or 0)[:MAX_FINDINGS]
        problems = "1 problem" if self.count == 1 else f"{self.count} problems"
        raise InvalidRows(f"the request has {problems}; correct the request and send it again", first, self.count)


def _parse(body: bytes) -> Any:
    if len(body) > MAX_BODY_BYTES:
        raise too_large(len(body))
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_object_of)
    except UnicodeDecodeError as error:
        if body.startswith(_GZIP):
            raise InvalidRows("the body is compressed with gzip; send it as plain JSON") from error
        raise InvalidRows(f"the body is not UTF-8 text (byte {error.start}); {_SHAPE_ADVICE}") from error
    except RecursionError as error:
        raise InvalidRows(f"the body is nested too deeply; {_SHAPE_ADVICE}") from error
    except ValueError as error:
        raise InvalidRows(f"the body is not JSON: {_reason(body, error)}; {_SHAPE_ADVICE}") from error


def _reason(body: bytes, error: ValueError) -> str:
    """What is wrong with a body, without what Python advises the server's programmer."""
    if body.startswith(codecs.BOM_UTF8):
        return "it begins with a byte order mark"
    return "a number has too many digits" if "integer string conversion" in str(error) else str(error)


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON leaves open which of two equal names counts, so a caller must not send both."""
    document = dict(pairs)
    if len(document) != len(pairs):
        names = Counter(name for name, _ in pairs)
        raise ValueError(f"{names.most_common(1)[0][0]!r} is given twice in one object")
    return document


def _rows_of(document: Any, max_rows: int) -> list[Any] | dict[str, Any]:
    """Return the request's rows as a list, or the split form as it is."""
    if not isinstance(document, dict) or ROWS_KEY not in document:
        raise InvalidRows(f"the body has no `{ROWS_KEY}`; {_SHAPE_ADVICE}")
    if unknown := sorted(document.keys() - {ROWS_KEY}):
        found = [Finding(None, name, "unknown field beside input_data") for name in unknown[:MAX_FINDINGS]]
        raise InvalidRows(f"the body has fields beside `{ROWS_KEY}`; {_SHAPE_ADVICE}", found, len(unknown))
    rows = document[ROWS_KEY]
    is_split = isinstance(rows, dict) and _SPLIT_KEYS <= rows.keys() <= _SPLIT_KEYS | _SPLIT_OPTIONAL_KEYS
    if isinstance(rows, dict) and not is_split:
        rows = [rows]
    listed = rows["data"] if isinstance(rows, dict) else rows
    if not isinstance(listed, list):
        raise InvalidRows(f"the rows are {_named(listed)}, not a list; {_SHAPE_ADVICE}")
    if not listed:
        raise InvalidRows(f"there are no rows; {_SHAPE_ADVICE}")
    if len(listed) > max_rows:
        raise InvalidRows(
            f"there are {len(listed)} rows, at most {max_rows} are scored; split them into several requests"
        )
    return rows


def _from_records(rows: list[Any], rules: RowRules, findings: _Findings) -> _Rows:
    """Pick the values of rows that are objects; missing and unknown fields become findings, as do other rows."""
    names = rules.names
    expected = frozenset(names)
    sound = [type(row) is dict and row.keys() == expected for row in rows]
    if all(sound):
        return _Rows(range(len(rows)), [tuple(map(row.__getitem__, names)) for row in rows])
    for number, row in enumerate(rows):
        if not sound[number]:
            findings.add((number, name, reason) for name, reason in _wrong_fields(row, names))
    numbers = [number for number, row in enumerate(rows) if type(row) is dict]
    stand_ins = [reader.stand_in(value) for reader, value in zip(rules.readers, rules.allowed, strict=True)]
    return _Rows(numbers, [tuple(map(rows[number].get, names, stand_ins)) for number in numbers])


def _wrong_fields(row: Any, names: Sequence[str]) -> Iterable[tuple[str | None, str]]:
    if type(row) is not dict:
        yield None, f"must be an object of features, got {_named(row)}"
        return
    for name in names:
        if name not in row:
            yield name, "missing field"
    for name in row.keys() - set(names):
        yield name, "unknown field"


def _from_split(split: dict[str, Any], rules: RowRules) -> _Rows:
    """Bring the split form's columns into the schema's order."""
    columns, rows = split["columns"], split["data"]
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise InvalidRows(f"`columns` must be a list of feature names; {_SHAPE_ADVICE}")
    position = {name: index for index, name in enumerate(columns)}
    found = [Finding(None, name, "missing column") for name in rules.names if name not in position]
    found += [Finding(None, name, "unknown column") for name in position.keys() - set(rules.names)]
    if len(position) != len(columns):
        found.append(Finding(None, None, "a column is named twice"))
    if found:
        raise InvalidRows("`columns` are not the model's features", found[:MAX_FINDINGS], total=len(found))
    findings = _Findings()
    findings.add(
        (number, None, f"must be a list of {len(columns)} values")
        for number, row in enumerate(rows)
        if not isinstance(row, list) or len(row) != len(columns)
    )
    findings.raise_if_any()
    order = [position[name] for name in rules.names]
    return _Rows(range(len(rows)), [tuple(map(row.__getitem__, order)) for row in rows])


def _tensors_of(rows: _Rows, rules: RowRules, findings: _Findings) -> Tensors:
    values, texts = _values_of(rows, rules, findings)
    wrong = rules.wrong_values(values)
    if wrong.any():
        findings.count += int(wrong.sum())
        findings.kept += [
            Finding(rows.numbers[found.row or 0], found.field, found.reason)
            for found in rules.findings(values, wrong, MAX_FINDINGS)
        ]
    findings.raise_if_any()
    # Most requests have one row, for which finding out how features become columns would take half of the time.
    return Tensors(values.astype(np.float32)) if rules.is_numeric else encode(values, texts, rules.schema)


def _values_of(rows: _Rows, rules: RowRules, findings: _Findings) -> tuple[npt.NDArray[np.float64], list[Texts]]:
    """Return the values [rows, features] of all rows, and their texts; cells of another type become findings."""
    if rules.is_plain and _NUMBERS.issuperset(map(type, itertools.chain.from_iterable(rows.values))):
        try:
            return _as_array(rows.values, len(rules.names)), []
        except OverflowError:
            # An integer that no float can hold; the loop below finds and names it.
            pass
    values = np.empty((len(rows.values), len(rules.names)))
    texts = []
    for at, (reader, column) in enumerate(zip(rules.readers, zip(*rows.values, strict=True), strict=False)):
        values[:, at], wrong = reader.read(column)
        values[wrong, at] = rules.allowed[at]
        findings.add((rows.numbers[row], reader.feature.name, reader.reason(column[row])) for row in wrong)
        if reader.feature.type == TEXT:
            texts.append(text_tensor(column))
    return values, texts


def _as_array(values: list[tuple[Any, ...]], width: int) -> npt.NDArray[np.float64]:
    flat = np.fromiter(itertools.chain.from_iterable(values), dtype=np.float64, count=len(values) * width)
    return flat.reshape(len(values), width)


def _named(value: Any) -> str:
    return _JSON_NAMES.get(type(value), "a number")
