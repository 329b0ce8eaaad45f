"""Each of examples/: put at the root, through every stage, with a worse model, drift, and files beside requests.

No line of code is written. The example at the root goes the same way in test_demo.py and the files beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from forks import Fork
from project_copy import copy_project, git

from mlops.demo.rows import request_bodies
from model_package.package import ModelPackage
from model_package.schema_file import read_schema_file
from model_package.tasks import task_of

ROWS = 200
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("examples"), pytest.mark.timeout(1_800)]


@dataclass(frozen=True)
class Played:
    """A fork, and what its two demos answered."""

    fork: Fork
    bad: dict[str, Any]
    drift: dict[str, Any]


@pytest.fixture(scope="module", params=["multiclass", "regression"])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("fork") / "project"
    folder.mkdir()
    fork = Fork(copy_project(folder, without=("packages/", "docs/", "benchmarks/")))
    fork.run("init", "--example", request.param)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Our own model")
    try:
        bad, drift = (fork.document("demo", option) for option in ("--bad-model", "--drift"))
        yield Played(fork, bad, drift)
    finally:
        fork.run("down")


def test_nothing_of_another_example_is_left_and_the_checkout_stays_clean(played: Played) -> None:
    assert played.fork.run("check") == "all checks passed\n"
    assert played.fork.run("check", "--leftovers") == "all checks passed\n"
    assert git(played.fork.folder, "status", "--porcelain") == ""


def test_the_gates_of_its_task_stop_a_worse_model_and_every_stage_keeps_the_good_one(played: Played) -> None:
    stopped, rolled_back = played.bad["bad_model"]["stopped_by_gate"], played.bad["bad_model"]["rolled_back"]
    main = task_of(read_schema_file(played.fork.folder / "schema.yml")).main_metric

    assert stopped["branch"] is None
    assert main in stopped["blocking"]
    assert rolled_back["failures"] == {}
    assert rolled_back["live_before"] == rolled_back["live_after"]
    stages = played.bad["stages"]
    assert list(stages) == ["dev", "staging", "prod"]
    assert {each["digest"] for each in stages.values()} == {played.bad["model"]["digest"]}


def test_drift_is_noticed_and_a_newer_model_proposed(played: Played) -> None:
    drift = played.drift["drift"]

    assert drift["monitor"]["state"] == "drift"
    assert drift["retraining"]["promotion"]["promotes"]
    assert drift["waiting"] == [drift["retraining"]["promotion"]["branch"]]


def test_its_train_step_is_tuned_by_the_metric_of_its_task(played: Played) -> None:
    tuned = played.fork.document("tune", "--trials", "2", connected=True)

    assert len({tuple(trial["parameters"].items()) for trial in tuned["trials"]}) == 2
    assert all(trial["score"] is not None for trial in tuned["trials"])
    assert git(played.fork.folder, "status", "--porcelain") == ""


def test_the_packaged_graph_agrees_with_the_trained_model_on_every_held_out_row(played: Played) -> None:
    digest = played.bad["model"]["digest"].removeprefix("sha256:")
    package = ModelPackage.read(played.fork.folder / ".mlops" / "models" / digest)

    parity = package.evaluation.parity

    assert parity is not None
    assert parity.rows == package.evaluation.rows
    assert parity.maximum_difference <= parity.tolerance


def test_files_and_requests_get_the_same_answers(played: Played, tmp_path: Path) -> None:
    # given rows with everything that the table has, missing values and rare categories too
    fork, version = played.fork, played.drift["drift"]["retraining"]["model"]["version"]
    schema = read_schema_file(fork.folder / "schema.yml")
    (table,) = (fork.folder / "data").glob("*.csv")
    rows = pl.read_csv(table, infer_schema=False).sample(ROWS, seed=1)
    (tmp_path / "files").mkdir()
    rows.write_csv(tmp_path / "files" / "rows.csv")
    each = [json.loads(body)["input_data"][0] for body in request_bodies(rows, schema)]
    (tmp_path / "request.json").write_text(json.dumps({"input_data": each}))

    # when
    fork.document("deploy", "--stage", "dev", "--batch", "--version", version, connected=True)
    fork.document(
        "score", "--stage", "dev", "--batch", str(tmp_path / "files"), "--output", str(tmp_path / "out"), connected=True
    )
    reply = fork.document("score", "--stage", "dev", "--file", str(tmp_path / "request.json"), connected=True)

    # then
    task = task_of(schema)
    assert reply["model_version"] == version
    scored = pl.read_parquet(tmp_path / "out" / "rows.csv.scored.parquet")
    keys = reply["predictions"][0]
    answer = task.recorded_answer({key: [one[key] for one in reply["predictions"]] for key in keys})
    batch = task.answer_of({name: scored[name].to_numpy() for name in task.columns(answer)})
    assert np.abs(batch - answer).max() <= 1e-6 * max(1.0, np.abs(answer).max())
