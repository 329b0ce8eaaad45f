"""measures.json: what is measured of a window comes back from the file as it went in, and nothing else is taken."""

import json
from typing import Any

import pytest
from monitoring_harness import SETTINGS, collected, draw, labels, make_reference

from model_package.documents import Fields
from model_package.errors import PackageError
from model_package.monitoring.findings import MEASURES_FILE, Findings, by_contribution
from model_package.monitoring.measuring import measure


def parsed(document: dict[str, Any]) -> Findings:
    return Findings.parse(Fields(json.loads(json.dumps(document)), MEASURES_FILE))


@pytest.fixture(scope="module")
def measured() -> Findings:
    rows = draw(900, 8).with_column("income", lambda income: income - 1)
    return measure(collected(rows), make_reference(), labels(rows), SETTINGS)


def test_findings_come_back_from_their_document(measured: Findings):
    found = parsed(measured.as_document())

    assert found.as_document() == measured.as_document()
    assert found.columns == by_contribution(measured.columns)
    assert any(each.drifted for each in found.columns)
    assert found.performance == measured.performance
    assert found.measures["roc_auc"].difference_interval == measured.measures["roc_auc"].difference_interval


def test_an_empty_window_comes_back_too():
    nothing = measure(collected(draw(1, 1)), make_reference(), None, SETTINGS)

    assert parsed(nothing.as_document()).as_document() == nothing.as_document()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"format": 2}, "format is 2, this code reads 1", id="another format"),
        pytest.param({"rows": -1}, "rows must be a whole number", id="count"),
        pytest.param({"versions": None}, "versions is missing", id="missing"),
        pytest.param({"notes": [1]}, "notes must be a list of texts", id="notes"),
        pytest.param({"measures": {"rows": {"state": "measured"}}}, "measures.rows.value is missing", id="no value"),
        pytest.param({"measures": {"rows": {"state": "lost"}}}, "measures.rows.state must be one of", id="state"),
    ],
)
def test_another_shape_is_refused_with_the_key(measured: Findings, change: dict[str, Any], says: str):
    with pytest.raises(PackageError, match=f"measures.json: {says}"):
        parsed(measured.as_document() | change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"drifted": 1}, "drifted must be true or false", id="flag"),
        pytest.param({"histogram": {"labels": ["a"], "training": [1, 0], "window": [1, 0]}}, "as many as", id="bins"),
    ],
)
def test_a_column_of_another_shape_is_refused(measured: Findings, change: dict[str, Any], says: str):
    document = measured.as_document()
    document["features"] = [document["features"][0] | change]

    with pytest.raises(PackageError, match=r"features\[0\]") as refused:
        parsed(document)
    assert says in str(refused.value)
