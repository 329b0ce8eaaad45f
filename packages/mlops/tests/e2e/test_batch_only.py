"""A project that scores only files, from `mlops init --batch-only` to a rollback; no line of code is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from forks import Fork
from project_copy import copy_project, git

ROWS = 3_000
STAGES = ["dev", "staging", "prod"]
NOT_MEASURED = {"latency_p50_milliseconds", "latency_p99_milliseconds", "largest_feature_drift", "score_drift"}
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("batch_only")]


def churn(rows: int = ROWS) -> pl.DataFrame:
    random = np.random.default_rng(3)
    months = random.integers(1, 72, rows)
    leaves = random.random(rows) < 1 / (1 + np.exp(-(3 - months / 8)))
    plan = random.choice(["Basic", "Team plan"], rows)
    return pl.DataFrame({"plan": plan, "months": months, "churned": np.where(leaves, "yes", "no")})


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fork]:
    folder = tmp_path_factory.mktemp("fork") / "project"
    folder.mkdir()
    copy_project(folder, without=("packages/", "docs/", "benchmarks/", "infra/tests/"))
    table = folder.parent / "churn.csv"
    churn().write_csv(table)
    made = Fork(folder, table)
    made.run("init", "--data", str(table), "--target", "churned", "--batch-only")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Score only files")
    try:
        yield made
    finally:
        made.run("down")


@pytest.fixture(scope="module")
def shown(fork: Fork) -> dict[str, Any]:
    """What the demo answered."""
    return fork.document("demo", "--data", str(fork.table))


def test_nothing_of_an_online_endpoint_is_left_and_the_tests_of_the_fork_load(fork: Fork) -> None:
    files = set(git(fork.folder, "ls-files").split())

    assert fork.run("check") == "all checks passed\n"
    assert not any(file.startswith(("endpoints/online/", "endpoints/grafana/")) for file in files)
    assert not files & {"releases/monitor.yml", ".github/workflows/monitor.yml", "environments/serving.yml"}
    assert "serving: batch" in (fork.folder / "infra" / "Pulumi.prod.yaml").read_text()
    assert "infra:kubernetes:" not in (fork.folder / "infra" / "Pulumi.prod.yaml").read_text()
    assert "endpoint: " not in (fork.folder / "project.yml").read_text().replace("batch_endpoint: ", "")
    # and a second init of it keeps it so
    assert "infra/Pulumi" not in fork.run("init", "--data", str(fork.table), "--target", "churned", "--dry-run")


def test_every_stage_scores_a_file_with_the_model_that_was_trained(shown: dict[str, Any]) -> None:
    assert list(shown["scored"]) == STAGES
    assert all([file["status"] for file in scored["files"]] == ["scored"] for scored in shown["scored"].values())
    assert {stage["digest"] for stage in shown["stages"].values()} == {shown["model"]["digest"]}
    assert all(stage["traffic"] == {stage["deployment"]: 100} for stage in shown["stages"].values())


def test_gates_and_rollout_say_what_they_could_not_measure(fork: Fork, shown: dict[str, Any]) -> None:
    history = fork.document("history", connected=True)["stages"]["prod"]["records"]
    released = history[-1]["event"]

    assert [record["event"]["kind"] for record in history] == ["promotion", "gate", "rollout", "rollout"]
    assert "11 of 16 gates pass, 5 not measured" in history[1]["event"]["reason"]
    assert {name for name, value in history[1]["event"]["evidence"].items() if value == "None"} >= NOT_MEASURED
    assert released["step"] == "finish"
    assert set(released["evidence"].values()) == {"not measured: no online endpoint"}
    assert set(released["evidence"]) >= {"load", "mirror", "traffic", "slo"}
    assert shown["model"]["digest"] == released["digest"]


@pytest.mark.usefixtures("shown")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["score", "--stage", "prod"], "prod has no online endpoint: its serving is batch"),
        (["monitor", "--stage", "prod"], "drift in prod is not measured: no online endpoint collects its rows"),
        (["explain", "--stage", "prod"], "there is no sample request: every stage scores only files"),
        (["demo", "--drift"], "prod has no online endpoint: its serving is batch"),
        (["rollback", "--stage", "prod"], "stage prod has no previously live deployment"),
    ],
    ids=["score", "monitor", "explain", "demo --drift", "rollback"],
)
def test_a_command_that_needs_an_online_endpoint_says_so(fork: Fork, words: list[str], sentence: str) -> None:
    done = fork.attempt(*words, connected=True)

    assert done.returncode != 0
    assert done.stderr.startswith(f"Error: {sentence}")


@pytest.mark.usefixtures("shown")
def test_the_page_of_all_stages_and_an_explanation_need_no_online_endpoint(fork: Fork, tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text('{"input_data": [{"plan": "Basic", "months": 3}]}')

    fork.run("dashboard", "--write", str(tmp_path), connected=True)
    explained = fork.run("explain", "--stage", "prod", "--file", str(request), connected=True)

    assert "not measured: no online endpoint" in (tmp_path / "dashboard.html").read_text()
    assert "months" in explained


def test_wrong_code_never_becomes_the_default_and_a_rollback_returns_to_the_model_before(
    fork: Fork, shown: dict[str, Any], tmp_path: Path
) -> None:
    first = shown["stages"]["dev"]["deployment"]
    script = fork.folder / "endpoints" / "batch" / "file_scoring.py"
    right = script.read_text()
    # given scoring code that gives other answers than the model package
    script.write_text(
        right.replace("answer = model.scorer.score(batch.rows)", "answer = model.scorer.score(batch.rows) / 2")
    )
    # then it is not deployed
    refused = fork.attempt("deploy", "--stage", "dev", "--version", "1", connected=True)
    assert refused.returncode != 0
    assert "scores the rows of golden case 1 wrongly" in refused.stderr
    assert _default(fork, "dev") == first
    script.write_text(right)
    # given another model, which is deployed
    other = tmp_path / "other.csv"
    churn(2 * ROWS).write_csv(other)
    trained = fork.document("train", "--data", str(other), connected=True)
    second = fork.document("deploy", "--stage", "dev", connected=True)
    assert second["model"]["version"] == trained["model"]["version"] == "2"
    assert fork.document("deploy", "--stage", "dev", connected=True)["actions"] == []
    # when it is rolled back
    fork.run("rollback", "--stage", "dev", "--reason", "wrong amounts", connected=True)
    # then the model before is the default, both are kept, and the log says why
    assert _default(fork, "dev") == first
    stays = {
        item["name"]: item["reason"] for item in fork.document("retire", "--stage", "dev", connected=True)["items"]
    }
    assert stays[first] == "has 100 % of the traffic"
    history = fork.document("history", connected=True)["stages"]["dev"]
    assert history["breaks"] == []
    assert [(each["event"]["kind"], each["event"]["step"]) for each in history["records"]] == [
        ("rollout", "begin"),
        ("rollout", "finish"),
        ("rollout", "begin"),
        ("rollback", "golden rows"),
        ("rollout", "begin"),
        ("rollout", "finish"),
        ("rollback", "by hand"),
    ]


def _default(fork: Fork, stage: str) -> str:
    deployments = fork.document("status", "--stage", stage, connected=True)["stages"][stage]["deployments"]
    return next(each["name"] for each in deployments if each["traffic"] == 100)
