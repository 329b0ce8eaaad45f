"""Turns a request's body into the model's input matrix, or says exactly what is wrong with it.

Which values are allowed is request_schema.py's business; nothing here knows HTTP or the model.
Thousands of rows are checked without a Python loop over cells; a loop runs only to explain a refusal. A cell that
is refused already is replaced by an allowed value, so that the rest of its row is checked as well.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from request_schema import LARGEST, RequestSchema

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_ROWS = 100_000
MAX_DETAILS = 20

ROWS_KEY = "input_data"
SPLIT_KEYS = frozenset({"columns", "data"})
SPLIT_OPTIONAL_KEYS = frozenset({"index"})
NUMBERS = frozenset({int, float})
JSON_NAMES = {str: "a string", bool: "a boolean", type(None): "null", list: "a list", dict: "an object"}
SHAPE_ADVICE = (
    f'send {{"{ROWS_KEY}": [row, ...]}} with a row as an object of features, '
    f'or {{"{ROWS_KEY}": {{"columns": [...], "data": [[...], ...]}}}}'
)


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing wrong with a request; `row` and `field` are null when it concerns all of them."""

    row: int | None
    field: str | None
    reason: str


class InvalidRequestError(Exception):
    """The request cannot be scored. `details` are the first few of `total` findings."""

    def __init__(self, message: str, details: Sequence[Detail] = (), total: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)
        self.total = total

    def document(self) -> dict[str, Any]:
        """Return the reply's body."""
        details = [asdict(detail) for detail in self.details]
        return {
            "error": {
                "code": "InvalidInput",
                "message": self.message,
                "details": details,
                "total": self.total,
            }
        }


def read_matrix(body: bytes, schema: RequestSchema) -> NDArray[np.float32]:
    """Return the model's input, float32 [rows, features] in the schema's order.

    Raises InvalidRequestError for anything that is not a complete, valid request.
    """
    rows = _rows_of(_parse(body))
    findings = _Findings()
    numbered = _from_split(rows, schema) if isinstance(rows, dict) else _from_records(rows, schema, findings)
    matrix, numbers = _matrix_of(numbered, schema, findings)
    wrong = schema.wrong_values(matrix)
    if wrong.any():
        findings.count += int(wrong.sum())
        findings.kept += [
            Detail(numbers[row], name, reason) for row, name, reason in schema.reasons(matrix, wrong, MAX_DETAILS)
        ]
    findings.raise_if_any()
    return matrix.astype(np.float32)


@dataclass(slots=True)
class _Rows:
    """Rows as tuples of values in the schema's order, with each row's number in the request."""

    numbers: Sequence[int]
    values: list[tuple[Any, ...]]


@dataclass(slots=True)
class _Findings:
    """All findings are counted; only the first of each kind of check are kept."""

    count: int = 0
    kept: list[Detail] = field(default_factory=list)

    def add(self, found: Iterable[tuple[int, str | None, str]]) -> None:
        before = len(self.kept)
        for row, name, reason in found:
            self.count += 1
            if len(self.kept) - before < MAX_DETAILS:
                self.kept.append(Detail(row, name, reason))

    def raise_if_any(self) -> None:
        if not self.count:
            return
        first = sorted(self.kept, key=lambda detail: detail.row or 0)[:MAX_DETAILS]
        problems = "1 problem" if self.count == 1 else f"{self.count} problems"
        raise InvalidRequestError(
            f"the request has {problems}; correct the request and send it again", first, self.count
        )


def _parse(body: bytes) -> Any:
    if len(body) > MAX_BODY_BYTES:
        raise InvalidRequestError(
            f"the body has {len(body)} bytes, at most {MAX_BODY_BYTES} are read; send several requests"
        )
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_object_of)
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"the body is not UTF-8 text (byte {error.start}); {SHAPE_ADVICE}") from error
    except RecursionError as error:
        raise InvalidRequestError(f"the body is nested too deeply; {SHAPE_ADVICE}") from error
    except ValueError as error:
        raise InvalidRequestError(f"the body is not JSON: {error}; {SHAPE_ADVICE}") from error


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON leaves open which of two equal names counts, so a caller must not send both."""
    document = dict(pairs)
    if len(document) != len(pairs):
        names = Counter(name for name, _ in pairs)
        raise ValueError(f"{names.most_common(1)[0][0]!r} is given twice in one object")
    return document


def _rows_of(document: Any) -> list[Any] | dict[str, Any]:
    """Return the request's rows as a list, or the split form as it is."""
    if not isinstance(document, dict) or ROWS_KEY not in document:
        raise InvalidRequestError(f"the body has no `{ROWS_KEY}`; {SHAPE_ADVICE}")
    if unknown := sorted(document.keys() - {ROWS_KEY}):
        details = [Detail(None, name, "unknown field beside input_data") for name in unknown[:MAX_DETAILS]]
        raise InvalidRequestError(f"the body has fields beside `{ROWS_KEY}`; {SHAPE_ADVICE}", details, len(unknown))
    rows = document[ROWS_KEY]
    is_split = isinstance(rows, dict) and SPLIT_KEYS <= rows.keys() <= SPLIT_KEYS | SPLIT_OPTIONAL_KEYS
    if isinstance(rows, dict) and not is_split:
        rows = [rows]
    listed = rows["data"] if isinstance(rows, dict) else rows
    if not isinstance(listed, list):
        raise InvalidRequestError(f"the rows are {_named(listed)}, not a list; {SHAPE_ADVICE}")
    if not listed:
        raise InvalidRequestError(f"there are no rows; {SHAPE_ADVICE}")
    if len(listed) > MAX_ROWS:
        raise InvalidRequestError(
            f"there are {len(listed)} rows, at most {MAX_ROWS} are scored; split them into several requests"
        )
    return rows


def _from_records(rows: list[Any], schema: RequestSchema, findings: _Findings) -> _Rows:
    """Pick the values of rows that are objects; missing and unknown fields become findings, as do other rows."""
    names = schema.names
    expected = frozenset(names)
    sound = [type(row) is dict and row.keys() == expected for row in rows]
    if all(sound):
        return _Rows(range(len(rows)), [tuple(map(row.__getitem__, names)) for row in rows])
    for number, row in enumerate(rows):
        if not sound[number]:
            findings.add((number, name, reason) for name, reason in _wrong_fields(row, names))
    numbers = [number for number, row in enumerate(rows) if type(row) is dict]
    return _Rows(numbers, [tuple(map(rows[number].get, names, schema.allowed)) for number in numbers])


def _wrong_fields(row: Any, names: Sequence[str]) -> Iterable[tuple[str | None, str]]:
    if type(row) is not dict:
        yield None, f"must be an object of features, got {_named(row)}"
        return
    for name in names:
        if name not in row:
            yield name, "missing field"
    for name in row.keys() - set(names):
        yield name, "unknown field"


def _from_split(split: dict[str, Any], schema: RequestSchema) -> _Rows:
    """Bring the split form's columns into the schema's order."""
    columns, rows = split["columns"], split["data"]
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise InvalidRequestError(f"`columns` must be a list of feature names; {SHAPE_ADVICE}")
    position = {name: index for index, name in enumerate(columns)}
    details = [Detail(None, name, "missing column") for name in schema.names if name not in position]
    details += [Detail(None, name, "unknown column") for name in position.keys() - set(schema.names)]
    if len(position) != len(columns):
        details.append(Detail(None, None, "a column is named twice"))
    if details:
        raise InvalidRequestError("`columns` are not the model's features", details[:MAX_DETAILS], total=len(details))
    findings = _Findings()
    findings.add(
        (number, None, f"must be a list of {len(columns)} values")
        for number, row in enumerate(rows)
        if not isinstance(row, list) or len(row) != len(columns)
    )
    findings.raise_if_any()
    order = [position[name] for name in schema.names]
    return _Rows(range(len(rows)), [tuple(map(row.__getitem__, order)) for row in rows])


def _matrix_of(rows: _Rows, schema: RequestSchema, findings: _Findings) -> tuple[NDArray[np.float64], Sequence[int]]:
    """Return the matrix of all rows and their numbers in the request; values that are no numbers become findings."""
    if NUMBERS.issuperset(map(type, itertools.chain.from_iterable(rows.values))):
        try:
            return _as_array(rows.values, schema), rows.numbers
        except OverflowError:
            # An integer that no float can hold; the loop below finds and names it.
            pass
    values = []
    for number, row in zip(rows.numbers, rows.values, strict=True):
        reasons = [_wrong_type(value) for value in row]
        findings.add((number, name, reason) for name, reason in zip(schema.names, reasons, strict=True) if reason)
        cells = zip(row, reasons, schema.allowed, strict=True)
        values.append(tuple(allowed if reason else value for value, reason, allowed in cells))
    return _as_array(values, schema), rows.numbers


def _as_array(values: list[tuple[Any, ...]], schema: RequestSchema) -> NDArray[np.float64]:
    width = len(schema.names)
    flat = np.fromiter(itertools.chain.from_iterable(values), dtype=np.float64, count=len(values) * width)
    return flat.reshape(len(values), width)


def _wrong_type(value: Any) -> str | None:
    if type(value) not in NUMBERS:
        return f"must be a number, got {_named(value)}"
    if type(value) is int and abs(value) > LARGEST:
        return "must be a finite number that fits a 32-bit float"
    return None


def _named(value: Any) -> str:
    return JSON_NAMES.get(type(value), "a number")
