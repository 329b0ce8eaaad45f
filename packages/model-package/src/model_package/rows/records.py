"""Requests whose rows are JSON objects, read several times as fast as requests.py does. Pure: no I/O.

Takes only what is certainly valid, and gives the same tensors for it; every other body is left to requests.py, which
also writes the refusals. Tests compare the two. Needs msgspec, which only online endpoints have.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from model_package.errors import InvalidRows
from model_package.rows.encoding import Tensors
from model_package.rows.requests import MAX_BODY_BYTES, MAX_ROWS, ROWS_KEY, row_tensors
from model_package.rows.rules import FeatureRules, RowRules
from model_package.schema import BOOLEAN, CATEGORY

_QUOTE = b'"'
# Another way to write a quote, beside a backslash and the quote itself.
_ESCAPED_QUOTE = rb"\u0022"
# What msgspec cannot have in the name of a field: it compares names with the bytes of the body.
_UNUSABLE = frozenset('"\\').union(map(chr, range(0x20)))


class RecordReader:
    """Reads the bodies of requests. Made once per schema, then safe to use from several threads."""

    def __init__(self, rules: RowRules) -> None:
        self._rules = rules
        self._decoder = None if any(_UNUSABLE & set(name) for name in rules.names) else _decoder(rules)
        self._is_checked = rules.is_numeric and not rules.needs_lookup

    def read(self, body: bytes) -> Tensors | None:
        """Return the rows of a request's body as the model's input; None for a body that requests.py must read."""
        if self._decoder is None or len(body) > MAX_BODY_BYTES:
            return None
        try:
            rows = list(map(msgspec.structs.astuple, self._decoder.decode(body).input_data))
        except msgspec.MsgspecError:
            return None
        if not 0 < len(rows) <= MAX_ROWS or _has_repeated_name(body, rows, self._rules):
            return None
        if self._is_checked:
            return Tensors(np.array(rows, dtype=np.float32))
        try:
            return row_tensors(rows, self._rules)
        except InvalidRows:
            return None


def _has_repeated_name(body: bytes, rows: Sequence[tuple[Any, ...]], rules: RowRules) -> bool:
    """Tell whether a body may give a name twice: msgspec takes the last, and then there are more quotes than needed."""
    quotes = 2 * (1 + len(rows) * len(rules.names))
    if not rules.is_numeric:
        texts = [cell for row in rows for cell in row if type(cell) is str]
        within = sum(text.count('"') for text in texts)
        if within and _ESCAPED_QUOTE in body:
            return True
        quotes += 2 * len(texts) + within
    return body.count(_QUOTE) != quotes


def _decoder(rules: RowRules) -> msgspec.json.Decoder[Any]:
    names = {f"column_{at}": name for at, name in enumerate(rules.names)}
    types = map(_type_of, rules.features)
    row: Any = msgspec.defstruct(
        "Row", list(zip(names, types, strict=True)), forbid_unknown_fields=True, rename=names, gc=False
    )
    return msgspec.json.Decoder(msgspec.defstruct("Request", [(ROWS_KEY, list[row])], forbid_unknown_fields=True))


def _type_of(rules: FeatureRules) -> Any:
    """Return the type of JSON that a cell may have; of numbers the limits too."""
    feature = rules.feature
    if feature.is_number:
        limits = msgspec.Meta(ge=rules.lowest, le=rules.highest, multiple_of=1.0 if rules.is_whole else None)
        kind: Any = Annotated[float, limits]
    elif feature.type == BOOLEAN:
        kind = bool
    elif feature.type == CATEGORY and not isinstance((feature.categories or ("",))[0], str):
        kind = int
    else:
        kind = str
    return kind | None if feature.nullable else kind
