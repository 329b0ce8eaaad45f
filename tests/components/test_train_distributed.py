"""Training in several processes: the graph answers as the trees do, and a process that is lost ends the others."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

pytest.importorskip("xgboost", reason="xgboost is not installed: uv sync --group distributed")

from chain import run_step
from rank_processes import HANG_SECONDS, free_port, rank
from ranks import RankError, Ranks
from spark_jobs import run_pipeline
from train_distributed import Tuning, finish, fit

from model_package.documents import read_json
from model_package.package import write_schema
from model_package.rows.split import PARTS, TEST, part_file, read_part
from model_package.runtime import Scorer
from model_package.schema import (
    BINARY_CLASSIFICATION,
    MULTICLASS_CLASSIFICATION,
    REGRESSION,
    TEXT,
    Decision,
    Feature,
    Schema,
)
from model_package.steps.onnx_model import expected_answers

ROOT = Path(__file__).parents[2]
TASKS = (BINARY_CLASSIFICATION, MULTICLASS_CLASSIFICATION, REGRESSION)
ROWS = 3_000
FAST = {"iterations": 30, "maximum_leaves": 8}


def split(folder: Path, task: str, rows: int = ROWS) -> tuple[Path, Schema]:
    """Three parts of rows with numbers that may be missing, and categories."""
    random = np.random.default_rng(3)
    folder.mkdir(parents=True)
    features = (
        Feature("a", "number", nullable=True),
        Feature("b", "number"),
        Feature("c", "category", categories=("x", "y", "z")),
    )
    classes = ("low", "middle", "high") if task == MULTICLASS_CLASSIFICATION else ()
    schema = Schema("", "y", features, task=task, classes=classes)
    write_schema(folder, schema)
    for part in PARTS:
        a, b, c = random.normal(size=rows), random.normal(size=rows), random.choice(["x", "y", "z"], rows)
        value = a * b + (c == "x") + random.normal(size=rows) / 4
        if task == BINARY_CLASSIFICATION:
            target = (value > 0.5).astype(np.int8)
        elif classes:
            target = np.array(classes)[np.digitize(value, [0, 1])]
        else:
            target = 1e6 + 1e4 * value
        missing = random.random(rows) < 0.1
        columns = {"a": pl.Series(np.where(missing, np.nan, a)).fill_nan(None), "b": b, "c": c, "y": target}
        pl.DataFrame(columns).write_parquet(part_file(folder, part))
    return folder, schema


@pytest.mark.parametrize("task", TASKS)
def test_the_graph_answers_as_the_trees_of_each_task_do(tmp_path: Path, task: str) -> None:
    folder, schema = split(tmp_path / "split", task)
    reported: list[dict[str, float]] = []
    booster, start = fit(folder, schema, Tuning(iterations=80), Ranks(), reported.append)
    trained, target = finish(folder, schema, booster, start)
    if task == BINARY_CLASSIFICATION:
        schema = schema.with_decision(Decision(0.5, ""))
    scorer = Scorer(schema, trained.graph(schema).SerializeToString())

    validation = read_part(folder, "validation", schema)
    found, expected = scorer.score(validation.rows), trained.answer(schema)
    difference = np.abs(found - expected) / np.maximum(1, np.abs(expected))
    # Measured: 4e-7.
    assert difference.max() < 2e-6
    # And they say something of rows that nobody fitted or calibrated.
    test = read_part(folder, TEST, schema)
    answer = scorer.score(test.rows)
    if task == REGRESSION:
        assert np.corrcoef(answer, test.target)[0, 1] > 0.9
    else:
        decided = answer.argmax(axis=1) if answer.ndim > 1 else answer > 0.5
        assert (decided == test.target).mean() > 0.75
    # The main metric is reported while the trees grow.
    (name,) = {name for each in reported for name in each}
    assert name.startswith("held_out_")
    assert len(reported) == 2
    assert len(target) == len(expected)


def test_a_tree_of_one_leaf_is_part_of_the_graph(tmp_path: Path) -> None:
    folder, schema = split(tmp_path / "split", REGRESSION, rows=40)
    booster, start = fit(folder, schema, Tuning(iterations=3, minimum_leaf_rows=10_000), Ranks(), lambda _: None)
    trained, _ = finish(folder, schema, booster, start)
    found = Scorer(schema, trained.graph(schema).SerializeToString()).score(read_part(folder, TEST, schema).rows)
    assert np.ptp(found) == 0
    assert found[0] == pytest.approx(trained.answer(schema)[0], rel=1e-6)


def test_two_processes_read_half_of_the_rows_each_and_the_first_writes_the_model(tmp_path: Path) -> None:
    folder, _ = split(tmp_path / "split", BINARY_CLASSIFICATION)
    alone = run_step("train_distributed", split_data=folder, trained_model=tmp_path / "alone", **FAST)
    assert alone.returncode == 0, alone.stderr
    logs = train(2, folder, tmp_path / "model")

    assert [log.split(": ")[1].partition(" rows")[0] for log in logs] == ["1,500", "1,500"]
    assert sorted(file.name for file in (tmp_path / "model").iterdir()) == [
        "expected.npy",
        "lineage.json",
        "model.onnx",
        "training.json",
    ]
    one, two = (read_json(tmp_path / name / "training.json") for name in ("alone", "model"))
    assert (one["processes"], two["processes"]) == (1, 2)
    assert one["metrics"].keys() == two["metrics"].keys()
    # The bins of a column come from both halves, so that the trees are nearly the same.
    assert two["metrics"]["held_out_roc_auc"] == pytest.approx(one["metrics"]["held_out_roc_auc"], abs=0.01)
    # The next steps read it as any other model.
    parts = {"split_data": folder, "trained_model": tmp_path / "model"}
    done = run_step("evaluate_model", **parts, evaluation=tmp_path / "evaluation", bootstrap_resamples=20)
    assert done.returncode == 0, done.stderr
    package = {"evaluation": tmp_path / "evaluation", "model_package": tmp_path / "package"}
    done = run_step("package_model", **parts, **package)
    assert done.returncode == 0, done.stderr
    assert "ONNX agrees with the trained model within" in done.stdout
    assert len(expected_answers(tmp_path / "model", ROWS)) == ROWS


def train(size: int, folder: Path, model: Path) -> list[str]:
    """Train in so many processes; return what each said."""
    port, logs = free_port(), [model.with_suffix(f".{number}.log") for number in range(size)]
    with ExitStack() as stack:
        running = [
            stack.enter_context(rank(number, size, port, log, split_data=folder, trained_model=model, **FAST))
            for number, log in enumerate(logs)
        ]
        codes = [process.wait(HANG_SECONDS) for process in running]
    found = [log.read_text() for log in logs]
    assert codes == [0] * size, found
    # XGBoost itself says its rank first.
    return ["".join(line for line in text.splitlines(True) if line.startswith("rank")) for text in found]


@pytest.mark.parametrize("how", ["dies", "hangs"])
def test_a_process_that_is_lost_ends_the_others_who_say_so(tmp_path: Path, how: str) -> None:
    folder, _ = split(tmp_path / "split", BINARY_CLASSIFICATION)
    port, log, model = free_port(), tmp_path / "0.log", tmp_path / "model"
    options = {"split_data": folder, "trained_model": model, "iterations": 2_000, "timeout": 20}
    with rank(0, 2, port, log, **options) as first, rank(1, 2, port, tmp_path / "1.log", **options) as second:
        # Once they train together, one of them stops.
        deadline = time.monotonic() + HANG_SECONDS
        while "40 iterations" not in log.read_text():
            assert first.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.kill(second.pid, signal.SIGKILL if how == "dies" else signal.SIGSTOP)
        assert first.wait(HANG_SECONDS) == 1
    assert "rank 0 lost the others: one of the 2 processes has ended, or has not answered for 20 s" in log.read_text()
    assert not model.exists()


def test_a_port_that_another_program_has_is_named(tmp_path: Path) -> None:
    folder, _ = split(tmp_path / "split", BINARY_CLASSIFICATION)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with rank(0, 2, port, tmp_path / "log", split_data=folder, trained_model=tmp_path / "model") as first:
            assert first.wait(HANG_SECONDS) == 1
    said = (tmp_path / "log").read_text()
    assert f"the training is refused: rank 0 cannot listen on 127.0.0.1:{port}" in said
    assert "another program uses the port" in said


def test_what_cannot_be_a_distributed_job_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "10.0.0.4", "MASTER_PORT": "6105"}
    assert Ranks.of(given | {"AZUREML_NODE_COUNT": "2"}) == Ranks(1, 2, "10.0.0.4", 6105, 2)
    assert Ranks.of({}) == Ranks()
    # Each machine's processors are divided among its processes.
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert Ranks(0, 4, "10.0.0.4", 6105, nodes=2).threads == 4
    assert Ranks(0, 4, "127.0.0.1", 6105, nodes=2).threads == 2
    assert Ranks().threads == 8
    for wrong, said in (
        ({"MASTER_PORT": ""}, "MASTER_PORT not: run the step with `distribution: pytorch`"),
        ({"WORLD_SIZE": "two"}, "must be numbers"),
        ({"RANK": "2"}, "RANK 2 is not among the 2"),
    ):
        with pytest.raises(RankError, match=said):
            Ranks.of(given | wrong)
    folder, schema = split(tmp_path / "split", REGRESSION, rows=0)
    with pytest.raises(RankError, match="too few rows for 1 processes"):
        fit(folder, schema, Tuning(), Ranks(), lambda _: None)
    write_schema(folder, replace(schema, features=(*schema.features, Feature("words", TEXT))))
    done = run_step("train_distributed", split_data=folder, trained_model=tmp_path / "model")
    assert done.returncode == 1
    assert "reads no columns of type text; train with train_model" in done.stderr


def test_its_pipeline_is_train_yml_but_for_one_step() -> None:
    ours, other = (
        yaml.safe_load((ROOT / "pipelines" / name).read_text()) for name in ("train.yml", "train.distributed.yml")
    )
    step, changed = ours["jobs"].pop("train_model"), other["jobs"].pop("train_model")
    assert ours == other
    assert changed["inputs"] == step["inputs"]
    assert changed["component"] == "../components/train_distributed/component.yml"
    one, two = (
        yaml.safe_load((ROOT / "components" / name / "component.yml").read_text())
        for name in ("train_model", "train_distributed")
    )
    assert one["outputs"].keys() == two["outputs"].keys()
    shared = {name: (each["type"], each.get("default")) for name, each in one["inputs"].items()}
    assert shared == {name: (two["inputs"][name]["type"], two["inputs"][name].get("default")) for name in shared}


def test_a_job_on_the_emulator_trains_in_two_processes(tmp_path: Path) -> None:
    folder, schema = split(tmp_path / "split", REGRESSION)
    job = {
        "type": "pipeline",
        "settings": {"default_compute": "azureml:cpu-cluster"},
        "outputs": {"model": {"type": "uri_folder"}},
        "jobs": {
            "train_model": {
                "type": "command",
                "component": str(ROOT / "components" / "train_distributed" / "component.yml"),
                "inputs": {"split_data": {"type": "uri_folder", "path": str(folder)}, **FAST},
                "outputs": {"trained_model": "${{parent.outputs.model}}"},
            }
        },
    }
    (tmp_path / "job.yml").write_text(yaml.safe_dump(job))

    run_pipeline(tmp_path / "job.yml", tmp_path)

    (document,) = (tmp_path / "got").rglob("training.json")
    assert read_json(document)["processes"] == 2
    scorer = Scorer(schema, document.with_name("model.onnx").read_bytes())
    validation = read_part(folder, "validation", schema)
    expected = expected_answers(document.parent, ROWS)
    assert scorer.score(validation.rows) == pytest.approx(expected, rel=2e-6)
