"""A made-up bad day of any table: always the same, valid for the endpoint, drifted, and never broken data."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from mlops.demo.rows import ROWS, request_bodies, shifted
from model_package.baseline import Baseline
from model_package.rows.encoding import decode
from model_package.rows.requests import read_request
from model_package.rows.rules import RowRules
from model_package.rows.tables import tensors
from model_package.schema import REGRESSION, Feature, Schema
from model_package.statistics.psi import population_stability_index

START = datetime(2024, 1, 1)  # noqa: DTZ001 - timestamps of a table have no zone
FEATURES = (
    Feature("amount", "number", minimum=0, maximum=500, nullable=True),
    Feature("rooms", "integer", minimum=1, maximum=9),
    Feature("code", "integer", categories=(1, 2, 7)),
    Feature("flag", "integer", minimum=0, maximum=1),
    Feature("plan", "category", categories=("Basic", "Pro", "Gold")),
    Feature("zip", "category", categories=("01234", "99999"), unknown="other"),
    Feature("zone", "category", categories=(5, 6), nullable=True),
    Feature("member", "boolean", nullable=True),
    Feature("since", "timestamp", nullable=True),
    Feature("row", "text", nullable=True),
    Feature("days", "integer", minimum=0, maximum=365),
)
SCHEMA = Schema("", "price", FEATURES, task=REGRESSION)


def table(rows: int, seed: int = 1) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    draw = random.choice
    columns = {
        "amount": np.clip(random.exponential(60, rows), 0, 500),
        "rooms": random.integers(1, 10, rows),
        "code": draw([1, 2, 7], rows, p=[0.7, 0.2, 0.1]),
        "flag": draw([0, 1], rows, p=[0.8, 0.2]),
        "plan": draw(["Basic", "Pro", "Gold"], rows, p=[0.6, 0.3, 0.1]),
        "zip": draw(["01234", "99999", "55555"], rows, p=[0.8, 0.15, 0.05]),
        "zone": draw([5, 6], rows, p=[0.8, 0.2]),
        "member": draw([True, False], rows, p=[0.8, 0.2]),
        "since": [START + timedelta(hours=int(each)) for each in random.integers(0, 9_000, rows)],
        "row": draw(["short", "a longer note"], rows),
        "days": random.integers(0, 366, rows),
        "price": random.normal(size=rows),
    }
    nullable = [each.name for each in FEATURES if each.nullable]
    made = pl.DataFrame(columns)
    holes = {name: pl.Series(random.random(rows) < 0.1) for name in nullable}
    return made.with_columns(pl.when(~hole).then(pl.col(name)).alias(name) for name, hole in holes.items())


def test_the_day_is_valid_by_the_endpoints_own_reader_and_always_the_same():
    day = shifted(table(700), SCHEMA)

    bodies = request_bodies(day, SCHEMA)
    read = [read_request(body, RowRules(SCHEMA)) for body in bodies]

    assert len(read) == ROWS == day.height
    assert bodies == request_bodies(shifted(table(700), SCHEMA), SCHEMA)
    expected = tensors(day, SCHEMA)
    assert np.array_equal(np.concatenate([each.features for each in read]), expected.features, equal_nan=True)
    assert [each.texts[0][0, 0] for each in read] == expected.texts[0][:, 0].tolist()


@pytest.mark.parametrize("rows", [60, 5_000])
def test_every_feature_drifts_and_no_column_looks_broken(rows: int):
    before, after = table(4_000, seed=2), shifted(table(rows), SCHEMA)
    baseline = Baseline.build(SCHEMA, tensors(before, SCHEMA), np.zeros(before.height))
    values = decode(tensors(after, SCHEMA), SCHEMA)

    for name, column in zip(SCHEMA.names, values.T, strict=True):
        training = baseline.features[name]
        counted = training.count(column.astype(np.float32))
        assert population_stability_index(*training.compared(counted)) > 0.1, name
        assert len(np.unique(column[np.isfinite(column)])) > 1, name
        assert after[name].null_count() / after.height <= max(0.1, before[name].null_count() / before.height), name
        if training.categories:
            # no category that training never saw, and none beyond a closed list
            assert not counted.counts[:-1][np.array(training.counts) == 0].sum(), name


def test_numbers_keep_their_order_and_the_target_stays():
    source = table(ROWS)
    day = shifted(source, SCHEMA)
    drawn = source.sample(ROWS, shuffle=True, seed=29)

    assert day["price"].equals(drawn["price"])
    both = pl.DataFrame({"before": drawn["days"], "after": day["days"]}).sort("before", "after")
    assert both["after"].is_sorted()
    assert day["days"].mean() > drawn["days"].mean() + 80  # ty: ignore[unsupported-operator]


@pytest.mark.parametrize(("rows", "sent"), [(100, 600), (2_500, 1_000), (9_000, ROWS)])
def test_where_the_newest_rows_test_a_model_the_day_repeats_each_of_some_rows_equally_often(rows: int, sent: int):
    schema = Schema("", "price", FEATURES, task=REGRESSION, time="since")
    source = table(rows).with_columns(price=pl.col("amount").fill_null(60))

    day = shifted(source, schema)

    repeated = day.with_columns(pl.col("since") - timedelta(weeks=1)).rows()
    assert len(day) == sent
    assert {repeated.count(row) for row in repeated[:20]} == {sent // len(set(repeated))}
    assert set(repeated) <= set(source.rows())
    assert day["price"].mean() > source["price"].mean() + 0.3 * source["price"].std()  # ty: ignore[unsupported-operator]


@pytest.mark.parametrize(
    ("feature", "is_missing"),
    [(each, is_missing) for each in FEATURES for is_missing in (False, True) if each.nullable or not is_missing],
    ids=lambda each: each.name if isinstance(each, Feature) else "no value" if each else "one value",
)
def test_a_column_that_happens_to_have_one_value_gets_another_valid_one(feature: Feature, *, is_missing: bool):
    schema = Schema("", "price", (feature,), task=REGRESSION)
    one = table(300).drop_nulls()[:1].select(feature.name, "price")
    source = pl.concat([one] * 50).with_columns(pl.lit(None, one.dtypes[0]).alias(feature.name) if is_missing else [])

    day = shifted(source, schema)
    read = [read_request(body, RowRules(schema)) for body in request_bodies(day, schema)]

    assert day[feature.name].n_unique() == 2
    assert len(read) == ROWS


def test_texts_of_a_csv_become_what_json_has():
    row = {
        "amount": "12.5",
        "rooms": "3.0",
        "code": "7",
        "flag": "1",
        "plan": "Pro",
        "zip": "01234",
        "zone": "",
        "member": "yes",
        "since": "2024-01-31",
        "row": "5",
        "days": "12",
    }

    (body,) = request_bodies(pl.DataFrame([row]), SCHEMA)

    assert body.decode() == (
        '{"input_data": [{"amount": 12.5, "rooms": 3, "code": 7, "flag": 1, "plan": "Pro", "zip": "01234", '
        '"zone": null, "member": true, "since": "2024-01-31", "row": "5", "days": 12}]}'
    )
