"""Which changes of a schema break callers."""

from typing import Any

import pytest

from mlops.gates.package_checks import schema_breaks
from model_package.schema import Schema

NUMBER = {"name": "income", "type": "number", "minimum": 0, "maximum": 100, "categories": None}
CATEGORY = {"name": "kind", "type": "integer", "minimum": None, "maximum": None, "categories": [1, 2]}


def schema(*features: dict[str, Any], **others: Any) -> Schema:
    return Schema.parse({"format": 1, "target": "late", "features": list(features)} | others, "schema.json")


@pytest.mark.parametrize(
    "new",
    [
        schema(NUMBER, CATEGORY),
        schema(CATEGORY, NUMBER),
        schema(NUMBER | {"minimum": -5}, CATEGORY),
        schema(NUMBER | {"minimum": None, "maximum": None}, CATEGORY),
        schema(NUMBER, CATEGORY | {"categories": [2, 1, 0]}),
        schema(NUMBER, CATEGORY | {"categories": None}),
    ],
    ids=["same", "other order", "wider", "no limits", "more categories", "any category"],
)
def test_what_callers_send_is_still_accepted(new: Schema) -> None:
    assert schema_breaks(schema(NUMBER, CATEGORY), new) == ()


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (schema(NUMBER), "'kind' is no longer a feature"),
        (schema(NUMBER, CATEGORY, NUMBER | {"name": "new"}), "'new' is a new feature"),
        (schema(NUMBER | {"type": "integer"}, CATEGORY), "integers only"),
        (schema(NUMBER | {"minimum": 1}, CATEGORY), "nothing below 1; before: 0"),
        (schema(NUMBER | {"maximum": 99}, CATEGORY), "nothing above 99; before: 100"),
        (schema(NUMBER, CATEGORY | {"categories": [1]}), "no longer takes 2"),
        (schema(NUMBER | {"categories": [1]}, CATEGORY), "only certain categories"),
        (schema(NUMBER, CATEGORY, target="paid"), "predicts 'paid'"),
        (schema(NUMBER, CATEGORY, positive="no"), "gives the probability of 'no', not of 1"),
    ],
    ids=[
        "less",
        "more",
        "integer",
        "higher floor",
        "lower ceiling",
        "category gone",
        "categories",
        "target",
        "positive",
    ],
)
def test_what_callers_can_no_longer_send_is_named(new: Schema, says: str) -> None:
    breaks = schema_breaks(schema(NUMBER, CATEGORY), new)

    assert len(breaks) == 1
    assert says in breaks[0]


def test_a_limit_where_there_was_none_breaks() -> None:
    free = schema(NUMBER | {"minimum": None, "maximum": None})

    assert len(schema_breaks(free, schema(NUMBER))) == 2
