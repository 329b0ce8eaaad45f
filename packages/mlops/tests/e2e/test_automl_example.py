"""examples/automl from its table to prod: the best model of FLAML's search meets the same gates as any other.

Needs FLAML in the step's environment: packages/mlops/tests/e2e/install_example.py installs it, as `.ci/run --all` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from forks import Fork
from project_copy import copy_project, git

from mlops.core.environments import INSTALLED_FOLDER
from model_package.package import ModelPackage

from .install_example import environment_of

ENVIRONMENT = environment_of("automl")
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("automl_example"), pytest.mark.timeout(1_800)]


@dataclass(frozen=True)
class Played:
    """The fork after its demo, and what that answered."""

    fork: Fork
    demo: dict[str, Any]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    if not ENVIRONMENT.is_installed:
        pytest.skip("FLAML is not installed for it: uv run python packages/mlops/tests/e2e/install_example.py automl")
    folder = copy_project(tmp_path_factory.mktemp("fork"), without=("packages/", "docs/", "benchmarks/"))
    fork = Fork(folder)
    made = fork.attempt("init", "--example", "automl")
    assert made.returncode == 0, made.stderr
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Our own model")
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


def test_every_stage_runs_the_graph_of_the_search(played: Played) -> None:
    stages = played.demo["stages"]

    assert list(stages) == ["dev", "staging", "prod"]
    assert {each["digest"] for each in stages.values()} == {played.demo["model"]["digest"]}
    package = ModelPackage.read(
        played.fork.folder / ".mlops" / "models" / played.demo["model"]["digest"].removeprefix("sha256:")
    )
    assert package.evaluation.parity is not None
    assert package.evaluation.parity.maximum_difference < 1e-5
    # The step alone had its exporter; FLAML the workspace may have too.
    assert "onnxmltools" not in package.provenance.environment.packages
    assert played.demo["metrics"]["roc_auc"] > 0.75


def test_its_search_is_tuned_as_any_train_step(played: Played) -> None:
    # Of 20 trials, which take minutes, two show that what they report is compared.
    tuned = played.fork.document("tune", "--trials", "2", connected=True)

    assert [trial["state"] for trial in tuned["trials"]] == ["Completed", "Completed"]
    assert tuned["best"]["score"] == max(trial["score"] for trial in tuned["trials"])
    assert tuned["gain"] is not None


def test_a_worse_model_is_stopped_by_the_gates(played: Played) -> None:
    shown = played.fork.document("demo", "--bad-model")

    assert "roc_auc" in shown["bad_model"]["stopped_by_gate"]["blocking"]
    assert {each["digest"] for each in shown["stages"].values()} == {shown["model"]["digest"]}
