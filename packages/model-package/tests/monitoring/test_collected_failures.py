"""What collected files and labels look like when something failed: counted, named, never taken for something else."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from monitoring_harness import SCHEMA, SETTINGS, UNTIL, VERSION, WINDOW, draw, make_reference, store

from model_package.collected.folder import read_window
from model_package.collected.labels import Labels, read_labels
from model_package.collected.window import Window
from model_package.errors import UnreadableRows
from model_package.monitoring.measuring import measure

MOMENT = UNTIL - timedelta(hours=3)
FEATURES = SCHEMA.names


def hour_of(folder: Path, name: str = "model_inputs", deployment: str = "blue") -> Path:
    return folder / deployment / name / f"{MOMENT:%Y/%m/%d/%H}" / "instance.jsonl"


def line(number: int, **other: object) -> str:
    """One row as the collector writes it; `other` replaces or adds."""
    row = {**dict.fromkeys(FEATURES, 1.0), "correlation_id": f"x{number}", "row": 0, "time": MOMENT.isoformat()}
    return json.dumps({"specversion": "1.0", "data": [row | other]})


def write(folder: Path, *lines: str, end: str = "\n") -> Path:
    file = hour_of(folder)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + end)
    return folder


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_an_empty_window_has_no_rows_and_says_so(tmp_path: Path, folder: str):
    (tmp_path / "empty").mkdir()
    found = read_window(tmp_path / folder, WINDOW, SCHEMA)

    measured = measure(found, make_reference(), None, SETTINGS)
    document = measured.as_document()

    assert (found.rows, measured.columns) == (0, [])
    assert document["measures"]["rows"]["value"] == 0
    assert document["measures"]["largest_feature_drift"]["reason"] == "there are no rows in the window"


def test_half_written_and_foreign_lines_are_counted_and_the_rest_is_read(tmp_path: Path):
    # given a line that is being written, and rows and lines of every wrong shape
    bad = [
        line(2, income="much"),
        line(3, row=None),
        line(4, time="yesterday"),
        line(5, correlation_id=7),
        line(6, age=True),
        "[1]",
        '{"data": 7}',
        '{"data": [null, 5]}',
    ]
    write(tmp_path, line(1), *bad, line(7, income=None), line(8)[:40], end="")

    found = read_window(tmp_path, WINDOW, SCHEMA)

    assert found.rows == 2
    assert found.found.broken == len(bad) + 2
    assert np.isnan(found.column("income")).sum() == 1


def test_a_mirrored_or_repeated_request_counts_once_and_the_live_answer_wins(tmp_path: Path):
    rows = draw(300, 1)
    store(tmp_path, rows, "green")
    store(tmp_path, rows, "blue", MOMENT - timedelta(hours=1))

    found = read_window(tmp_path, WINDOW, SCHEMA, ["green", "blue"])

    assert (found.rows, found.found.repeated) == (300, 300)
    assert found.table["probability"].null_count() == 0


def test_only_rows_of_the_window_count_whatever_hour_they_are_filed_under(tmp_path: Path):
    store(tmp_path, draw(50, 1), moment=UNTIL - timedelta(minutes=10))
    store(tmp_path, draw(70, 2), "green", UNTIL + timedelta(minutes=10))

    assert read_window(tmp_path, WINDOW, SCHEMA).rows == 50
    assert read_window(tmp_path, Window(UNTIL, UNTIL + timedelta(hours=1)), SCHEMA).rows == 70


def test_a_row_that_is_filed_in_the_hour_beside_its_own_is_read(tmp_path: Path):
    # given a collector that writes with a delay, and one whose clock is a little behind
    for hour, time in ((UNTIL, UNTIL - timedelta(minutes=1)), (WINDOW.since - timedelta(minutes=1), WINDOW.since)):
        file = tmp_path / "blue" / "model_inputs" / f"{hour:%Y/%m/%d/%H}" / "instance.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text(line(hour.hour, time=time.isoformat()) + "\n")

    found = read_window(tmp_path, WINDOW, SCHEMA)

    assert (found.rows, found.found.skewed) == (2, 0)


def test_a_server_whose_clock_is_wrong_is_noticed(tmp_path: Path):
    # given a server five hours behind: its rows lie in folders hours away from their own time
    write(tmp_path, *(line(at, time=(MOMENT - timedelta(hours=5)).isoformat()) for at in range(600)))

    found = read_window(tmp_path, WINDOW, SCHEMA)
    document = measure(found, make_reference(), None, SETTINGS).as_document()

    assert found.found.skewed == 600
    assert document["measures"]["skewed_share"]["value"] == 0.5
    assert any("clock" in note for note in document["notes"])


def test_unknown_columns_and_missing_features_are_named(tmp_path: Path):
    lines = [json.loads(line(at, colour=1.0)) for at in range(600)]
    for each in lines:
        del each["data"][0]["harmless"]
    write(tmp_path, *(json.dumps(each) for each in lines))

    found = read_window(tmp_path, WINDOW, SCHEMA)
    document = measure(found, make_reference(), None, SETTINGS).as_document()

    measures = document["measures"]
    assert measures["missing_features"]["details"] == ["harmless"]
    assert measures["unknown_columns"]["details"] == ["colour"]
    assert measures["unanswered_share"]["value"] == 1.0


def outcomes(file: Path, rows: dict[str, list]) -> Path:
    table = pl.DataFrame(rows)
    table.write_parquet(file) if file.suffix == ".parquet" else table.write_csv(file)
    return file


@pytest.mark.parametrize("name", ["outcomes.csv", "outcomes.parquet"])
def test_labels_twice_count_once_and_contradictions_count_as_none(tmp_path: Path, name: str):
    ids, values = ["a", "a", "b", "b", "c", "d", None], [1, 1, 0, 1, 0, 5, 1]
    found = read_labels(outcomes(tmp_path / name, {"correlation_id": ids, "default": values}), SCHEMA)

    assert found.table.height == 2
    assert (found.rows, found.repeated, found.contradictory, found.unusable) == (7, 1, 1, 2)


def test_late_labels_join_and_those_of_other_windows_are_left_for_these(tmp_path: Path):
    rows = draw(900, 8)
    store(tmp_path / "collected", rows)
    ids = [f"r{at}" for at in range(400)] + [f"older{at}" for at in range(100)]
    known = {"correlation_id": ids, "row": [0] * 500, "default": [*rows.target[:400].tolist(), *([0] * 100)]}
    labels = read_labels(outcomes(tmp_path / "outcomes.parquet", known), SCHEMA)
    collected = read_window(tmp_path / "collected", WINDOW, SCHEMA)

    document = measure(collected, make_reference(), labels, SETTINGS).as_document()

    assert (document["labelled"], document["versions"]) == (400, {VERSION: 900})
    assert document["measures"]["roc_auc"]["state"] == "measured"
    assert "100 labels belong to no prediction of this model in the window" in document["notes"]


@pytest.mark.parametrize("labels", [pytest.param(None, id="never"), pytest.param(0, id="not yet")])
def test_without_labels_the_performance_says_nothing(tmp_path: Path, labels: int | None):
    store(tmp_path, draw(900, 8))
    empty = pl.DataFrame(schema={"correlation_id": pl.String, "row": pl.Int64, "outcome": pl.Int8})
    none = None if labels is None else Labels(empty)

    found = read_window(tmp_path, WINDOW, SCHEMA)
    document = measure(found, make_reference(), none, SETTINGS).as_document()

    assert document["measures"]["roc_auc"]["state"] == "nothing"
    assert document["measures"]["largest_feature_drift"]["state"] == "measured"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"PAR1\x15\x04half a file", "cannot be read as a CSV or parquet file", id="half-written"),
        pytest.param(b"", "cannot be read as a CSV or parquet file", id="empty"),
    ],
)
def test_a_half_written_file_of_labels_is_refused_by_name(tmp_path: Path, content: bytes, says: str):
    file = tmp_path / "outcomes.parquet"
    file.write_bytes(content)

    with pytest.raises(UnreadableRows, match=f"outcomes.parquet {says}"):
        read_labels(file, SCHEMA)


def test_labels_without_an_id_are_refused(tmp_path: Path):
    file = outcomes(tmp_path / "outcomes.csv", {"id": [1], "default": [1]})

    with pytest.raises(UnreadableRows, match="no column correlation_id"):
        read_labels(file, SCHEMA)
