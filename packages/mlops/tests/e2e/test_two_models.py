"""Two models in one repository that share workspaces and a registry: both reach prod, and neither sees the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forks import Fork
from project_copy import copy_project, git

from mlops.githost.interface import WORKSTATION
from mlops.settings.policies import POLICY_FILE, with_builder
from mlops.settings.releases import RolloutTiming, manifest_path, with_timing
from mlops.settings.stages import StageOrder

ORDER = StageOrder(("dev", "staging", "prod"))
TIMING = RolloutTiming(
    soak_seconds=1.0, load_seconds=1.0, requests_per_second=10.0, p95_milliseconds=2_000.0, p99_milliseconds=4_000.0
)
ROWS = "12000"
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("two_models")]


def ready(folder: Path) -> None:
    """Let this machine release, in seconds, as in a demo."""
    policy = folder / POLICY_FILE
    policy.write_bytes(with_builder(policy.read_text(), WORKSTATION, ORDER))
    for stage in ORDER:
        manifest = folder / manifest_path(stage)
        manifest.write_bytes(with_timing(manifest.read_text(), stage, TIMING))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fork]:
    """The credit example at the top, the regression example beside it, in the same workspaces."""
    folder = tmp_path_factory.mktemp("fork") / "project"
    folder.mkdir()
    copy_project(folder, without=("packages/", "docs/", "benchmarks/", "infra/"))
    table = folder.parent / "credit.csv"
    made = Fork(folder, table)
    made.python("data/generate_sample.py", "--rows", ROWS, "--out", str(table))
    made.run("init", "--into", "models/demand", "--example", "regression")
    settings = folder / "models" / "demand" / "project.yml"
    shared = settings.read_text()
    for prefix in ("rg-", "mlw-", "mlr-"):
        shared = shared.replace(f"{prefix}demand", f"{prefix}credit-default")
    settings.write_text(shared)
    ready(folder)
    ready(folder / "models" / "demand")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Two models")
    made.run("up")
    try:
        yield made
    finally:
        made.run("down")


@pytest.fixture(scope="module")
def second(first: Fork) -> Fork:
    """The other project, connected to the same workspace on this machine."""
    folder = first.folder / "models" / "demand"
    return Fork(folder, folder / "data" / "demand.csv", first.document("env"))


def released(fork: Fork, top: Path) -> dict[str, Any]:
    """Train a model, and bring it to prod by the commands that people and CI use."""
    trained = fork.document("train", "--data", str(fork.table), connected=True)
    fork.run("deploy", "--stage", "dev", connected=True)
    for stage in ("staging", "prod"):
        branch = fork.document("promote", "--to", stage, "--no-pull-request", connected=True)["branch"]
        git(top, "merge", "-q", "--no-ff", "-m", f"Merge {branch}", branch)
        fork.run("deploy", "--stage", stage, connected=True)
    return trained["model"]


@pytest.fixture(scope="module")
def models(first: Fork, second: Fork) -> tuple[dict[str, Any], dict[str, Any]]:
    """What each of them released, one after the other."""
    return released(first, first.folder), released(second, first.folder)


def test_both_run_in_every_stage_under_names_of_their_own(
    first: Fork, second: Fork, models: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    assert [model["name"] for model in models] == ["credit-default", "demand"]
    for fork, model in zip((first, second), models, strict=True):
        stages = fork.document("status", connected=True)["stages"]
        live = [
            [each["digest"] for each in stage["deployments"] if each["traffic"] == 100] for stage in stages.values()
        ]
        assert live == [[model["digest"]]] * 3
        assert all(stage["endpoint"].startswith(model["name"]) for stage in stages.values())
        assert fork.document("score", "--stage", "prod", connected=True)["model"] == model["name"]


@pytest.mark.usefixtures("models")
def test_the_releases_of_one_are_not_those_of_the_other(first: Fork) -> None:
    changed = {
        folder: git(first.folder, "log", "--no-merges", "--format=%s", "--", f"{folder}releases").split("\n")[0]
        for folder in ("", "models/demand/")
    }

    assert "credit-default 1" in changed[""]
    assert "demand 1" in changed["models/demand/"]
    assert first.run("check") == "all checks passed\n"
    assert first.run("--project", "models/demand", "plan", "--since", "HEAD~1").count("prod") == 1
    assert "no stage changes" in first.run("plan", "--since", "HEAD~1")


def test_the_log_that_they_share_is_intact_and_neither_retires_what_the_other_needs(
    first: Fork, second: Fork, models: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    history = first.document("history", connected=True)["stages"]["prod"]

    assert history["breaks"] == []
    assert {record["event"]["model"] for record in history["records"]} == {"credit-default", "demand"}
    for fork, model in zip((first, second), models, strict=True):
        items = fork.document("retire", "--stage", "prod", connected=True)["items"]
        assert {item["digest"] for item in items} == {model["digest"]}
        assert not any(item["retire"] for item in items)
        assert "is proposed" in fork.run("promote", "--to", "prod", "--when-ready", connected=True)
