"""examples/pytorch from its table to prod: an exported graph in gates, promotion, endpoints and batch; two bad ones.

Needs PyTorch, which is in no lock: packages/mlops/tests/e2e/install_example.py installs it, as `.ci/run --all` does.
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
import yaml
from forks import Fork
from project_copy import copy_project, git

from mlops.core.environments import INSTALLED_FOLDER
from mlops.demo.rows import request_bodies
from model_package.package import ModelPackage
from model_package.schema_file import read_schema_file

from .install_example import environment_of

ROWS = 200
ENVIRONMENT = environment_of("pytorch")
TRAIN_STEP = Path("components", "train_model", "train_model.py")
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("pytorch_example"), pytest.mark.timeout(1_800)]


@dataclass(frozen=True)
class Played:
    """The fork after its demo, and what that answered."""

    fork: Fork
    demo: dict[str, Any]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    if not ENVIRONMENT.is_installed:
        pytest.skip(
            "PyTorch is not installed for it: uv run python packages/mlops/tests/e2e/install_example.py pytorch"
        )
    folder = copy_project(tmp_path_factory.mktemp("fork"), without=("packages/", "docs/", "benchmarks/"))
    fork = Fork(folder)
    made = fork.attempt("init", "--example", "pytorch")
    assert made.returncode == 0, made.stderr
    # The training step alone asks for a GPU.
    pipeline = folder / "pipelines" / "train.yml"
    pipeline.write_text(pipeline.read_text().replace("# compute: azureml:gpu-cluster", "compute: azureml:gpu-cluster"))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Our own model")
    absent = fork.attempt("demo")
    assert "Run: uv run mlops install train" in absent.stderr
    place = folder / INSTALLED_FOLDER / ENVIRONMENT.key
    place.parent.parent.mkdir(mode=0o700, exist_ok=True)
    place.parent.mkdir(mode=0o700)
    place.symlink_to(ENVIRONMENT.folder)
    try:
        done = fork.attempt("demo", "--json")
        assert done.returncode == 0, done.stderr
        yield Played(fork, json.loads(done.stdout))
    finally:
        fork.attempt("down")


def test_nothing_of_the_other_example_is_left_and_the_checkout_stays_clean(played: Played) -> None:
    assert played.fork.attempt("check").stdout == "all checks passed\n"
    assert git(played.fork.folder, "status", "--porcelain") == ""


def test_every_stage_runs_the_exported_graph(played: Played) -> None:
    stages = played.demo["stages"]
    digest = played.demo["model"]["digest"]

    assert list(stages) == ["dev", "staging", "prod"]
    assert {each["digest"] for each in stages.values()} == {digest}
    package = ModelPackage.read(played.fork.folder / ".mlops" / "models" / digest.removeprefix("sha256:"))
    assert package.evaluation.parity is not None
    assert package.evaluation.parity.maximum_difference < 1e-6
    # The step alone had PyTorch.
    assert "torch" not in package.provenance.environment.packages
    assert played.demo["metrics"]["roc_auc"] > 0.75


def test_files_and_requests_get_the_same_answers_with_missing_values_too(played: Played, tmp_path: Path) -> None:
    # given rows of which some lack measurements
    fork, version = played.fork, played.demo["model"]["version"]
    rows = pl.read_csv(fork.folder / "data" / "pytorch.csv", infer_schema=False).head(ROWS)
    assert rows["vibration"].null_count()
    (tmp_path / "files").mkdir()
    rows.write_csv(tmp_path / "files" / "rows.csv")
    schema = read_schema_file(fork.folder / "schema.yml")
    asked = [json.loads(body)["input_data"][0] for body in request_bodies(rows, schema)]
    (tmp_path / "request.json").write_text(json.dumps({"input_data": asked}))

    # when
    fork.document("deploy", "--stage", "dev", "--batch", "--version", version, connected=True)
    fork.document(
        "score", "--stage", "dev", "--batch", str(tmp_path / "files"), "--output", str(tmp_path / "out"), connected=True
    )
    reply = fork.document("score", "--stage", "dev", "--file", str(tmp_path / "request.json"), connected=True)

    # then
    scored = pl.read_parquet(tmp_path / "out" / "rows.csv.scored.parquet")
    online = np.array([each["probability"] for each in reply["predictions"]])
    assert reply["model_version"] == version
    assert np.abs(scored["probability"].to_numpy() - online).max() < 1e-6


def test_the_network_is_tuned_in_its_own_environment(played: Played) -> None:
    tuned = played.fork.document("tune", "--trials", "2", connected=True)

    assert len(tuned["trials"]) == 2
    assert all(0.5 < trial["score"] <= 1 for trial in tuned["trials"])
    assert {"learning_rate", "weight_decay", "width", "layers"} <= set(tuned["best"]["parameters"])
    assert git(played.fork.folder, "status", "--porcelain") == ""


def test_a_worse_network_is_stopped_by_the_gates_and_a_degrading_one_rolled_back(played: Played) -> None:
    shown = played.fork.document("demo", "--bad-model")

    assert "roc_auc" in shown["bad_model"]["stopped_by_gate"]["blocking"]
    assert shown["bad_model"]["rolled_back"]["failures"] == {}
    assert {each["digest"] for each in shown["stages"].values()} == {shown["model"]["digest"]}


def test_drift_is_noticed_and_a_newer_network_proposed(played: Played) -> None:
    drift = played.fork.document("demo", "--drift")["drift"]

    assert drift["monitor"]["state"] == "drift"
    assert drift["waiting"] == [drift["retraining"]["promotion"]["branch"]]


def test_a_graph_that_has_learned_nothing_is_blocked_by_the_gates(played: Played) -> None:
    # given a network as it was made, before its first epoch
    fork = played.fork
    # Trained on this machine, not by CI: the gates are to block it, not its provenance.
    policy = fork.folder / "releases" / "provenance.yml"
    document = yaml.safe_load(policy.read_text())
    for demands in document["stages"].values():
        demands |= {"builders": ["*"], "commit": "any"}
    policy.write_text(yaml.safe_dump(document))
    fork.edit(Path("pipelines", "train.yml"), "  epochs: 200\n", "  epochs: 0\n")
    version = fork.document("train", connected=True)["model"]["version"]
    fork.document("deploy", "--stage", "dev", "--version", version, connected=True)

    blocked = fork.document("promote", "--to", "staging", "--no-pull-request", code=1, connected=True)

    assert "roc_auc" in blocked["blocking"]
    assert blocked["branch"] is None
    fork.edit(Path("pipelines", "train.yml"), "  epochs: 0\n", "  epochs: 200\n")


def test_a_graph_that_answers_otherwise_than_its_network_is_no_package(played: Played) -> None:
    fork = played.fork
    fork.edit(TRAIN_STEP, "save_graph(export(network,", "found = found * 0.9\n    save_graph(export(network,")

    done = fork.attempt("train", connected=True)

    assert done.returncode != 0
    assert "ONNX and the trained model differ by up to" in done.stderr
