"""A pyfunc model reads columns by name, with values as a caller sends them and types that the schema decides."""

import numpy as np
import pandas as pd

from model_package.rows.frames import as_frame
from model_package.rows.requests import request_tensors
from model_package.rows.rules import RowRules
from model_package.schema import Feature, Schema

SCHEMA = Schema(
    "",
    "left",
    (
        Feature("age"),
        Feature("rooms", nullable=True),
        Feature("income", "number", nullable=True),
        Feature("code", categories=(1, 2, 4)),
        Feature("plan", "category", categories=("Basic", "Pro")),
        Feature("zone", "category", categories=(7, 12)),
        Feature("city", "category", categories=("Bonn", "Rome"), nullable=True, unknown="other"),
        Feature("member", "boolean"),
        Feature("active", "boolean", nullable=True),
        Feature("seen", "timestamp", nullable=True),
        Feature("note", "text", nullable=True),
    ),
)
WHOLE = {
    "age": 40,
    "rooms": 3,
    "income": 1200.5,
    "code": 4,
    "plan": "Pro",
    "zone": 12,
    "city": "Rome",
    "member": True,
    "active": False,
    "seen": "2026-01-31T18:30:00.250",
    "note": "café",
}
MISSING = WHOLE | dict.fromkeys(("rooms", "income", "city", "active", "seen", "note"))
KINDS = {
    "age": "int64",
    "rooms": "float64",
    "income": "float64",
    "code": "int64",
    "plan": "object",
    "zone": "int64",
    "city": "object",
    "member": "bool",
    "active": "object",
    "seen": "datetime64[ns]",
    "note": "object",
}


def table(*rows: dict) -> pd.DataFrame:
    return as_frame(request_tensors({"input_data": list(rows)}, RowRules(SCHEMA)), SCHEMA)


def test_columns_have_the_values_that_a_caller_sends():
    found = table(WHOLE, MISSING, WHOLE | {"city": "Oslo"})

    first = {name: found[name][0] for name in found}
    assert first == WHOLE | {"seen": pd.Timestamp(WHOLE["seen"])}
    assert found["rooms"].isna().tolist() == found["seen"].isna().tolist() == [False, True, False]
    assert np.isnan(found["income"][1])
    assert [found[name][1] for name in ("city", "active", "note")] == [None, None, ""]
    assert found["city"][2] == "other"


def test_the_schema_alone_decides_their_types():
    for rows in ([WHOLE], [MISSING], [WHOLE, MISSING]):
        assert {name: str(kind) for name, kind in table(*rows).dtypes.items()} == KINDS
