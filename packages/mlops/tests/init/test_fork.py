"""A whole repository after `mlops init`: checks pass, nothing of the example is left, and the gates fit the table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from project_copy import copy_project

NOT_COPIED = ("packages/", "docs/", "benchmarks/", "infra/tests/")
REMOTE = "https://github.com/acme/churn.git"
CHURN = 3.0


def mlops(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlops", "--project", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 customers, of whom those leave who have stayed for a short time."""
    random = np.random.default_rng(3)
    months = random.integers(1, 72, 1_000)
    leaves = random.random(1_000) < 1 / (1 + np.exp(-(CHURN - months / 8)))
    file = tmp_path_factory.mktemp("table") / "t.csv"
    plan = random.choice(["Basic", "Team plan"], 1_000)
    # A name that polars gives to a column itself.
    count = random.integers(0, 9, 1_000)
    outcome = np.where(leaves, "yes", "no")
    pl.DataFrame({"plan": plan, "months": months, "count": count, "churned": outcome}).write_csv(file)
    return file


@pytest.fixture(scope="module")
def fork(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that `mlops init` has made from the table, with a slice."""
    folder = copy_project(tmp_path_factory.mktemp("fork"), without=NOT_COPIED, remote=REMOTE)
    done = mlops(folder, "init", "--data", str(table), "--target", "churned", "--name", "churn", "--slice", "plan")
    assert done.returncode == 0, done.stderr
    assert "a trivial model 0.5; the bounds in releases/ lie between them" in done.stdout
    assert "demo --data data/churn.csv" in done.stdout
    return folder


def test_every_check_passes_and_nothing_of_the_example_is_left(fork: Path) -> None:
    checked = mlops(fork, "check")

    assert (checked.returncode, checked.stdout) == (0, "all checks passed\n")


def test_the_names_are_those_of_the_project_and_of_the_remote(fork: Path) -> None:
    pipeline = yaml.safe_load((fork / "pipelines/train.yml").read_text())
    stack = yaml.safe_load((fork / "infra/Pulumi.prod.yaml").read_text())["config"]

    assert pipeline["display_name"] == "Train the churn model"
    assert pipeline["inputs"]["data"]["path"] == "azureml:churn@latest"
    assert stack["infra:project"] == "churn"
    named = {"organisation": "acme", "repository": "churn"}
    assert {key: stack["infra:ci"]["github"][key] for key in named} == named
    assert "@acme/model-owners" in (fork / ".github/CODEOWNERS").read_text()
    assert (fork / "README.md").read_text().startswith("# churn\n")
    assert not (fork / "data/shift_rows.py").exists()


def test_bounds_lie_between_the_baseline_and_a_trivial_model(fork: Path) -> None:
    rules = {rule["measure"]: rule for rule in yaml.safe_load((fork / "releases/gates.yml").read_text())["rules"]}

    roc_auc = rules["roc_auc"]
    assert 0.5 < roc_auc["stages"]["dev"]["min"] < roc_auc["stages"]["staging"]["min"] < 1
    assert roc_auc["stages"]["prod"] == roc_auc["stages"]["staging"]
    assert "max_drop" not in roc_auc["stages"]["dev"]
    assert roc_auc["why"].endswith("a trivial model reaches 0.5")
    assert set(rules) >= {"selection_rate_difference.plan", "digest_differences", "package_megabytes", "score_drift"}
    assert not [name for name in rules if name.endswith((".sex", ".age", ".education"))]


def test_run_again_it_has_nothing_to_do(fork: Path, table: Path) -> None:
    words = ("--data", str(table), "--target", "churned", "--name", "churn", "--slice", "plan")

    again = json.loads(mlops(fork, "init", *words, "--json").stdout)

    assert again["files"] == []


def test_what_is_left_is_named_with_its_line(fork: Path) -> None:
    file = fork / "endpoints/online/endpoint.yml"
    before = file.read_text()
    file.write_text(f"{before}# for every card holder\n")

    found = mlops(fork, "check", "--leftovers")
    file.write_text(before)

    place = f"endpoints/online/endpoint.yml:{len(before.splitlines()) + 1}"
    assert f"{place}: `card holder` belongs to the template's example" in found.stdout
    assert found.returncode == 1


@pytest.mark.parametrize(("system", "gone"), [("github", "azure-pipelines.yml"), ("azure", ".github")])
def test_one_ci_system_and_no_infrastructure(table: Path, tmp_path: Path, system: str, gone: str) -> None:
    folder = copy_project(tmp_path / "fork", without=NOT_COPIED, remote=REMOTE)
    words = ("--data", str(table), "--target", "churned", "--keep-rules", "--ci", system, "--no-infra")

    done = mlops(folder, "init", *words)

    assert done.returncode == 0, done.stderr
    assert not (folder / gone).exists()
    assert not (folder / "infra").exists()
    left = [*folder.glob(".github/workflows/*.yml"), *folder.glob(".azuredevops/**/*.yml"), folder / ".ci/run"]
    assert len(left) > 8
    assert [str(file) for file in left if "--directory infra" in file.read_text()] == []
    for file in left[:-1]:
        assert yaml.safe_load(file.read_text())
    # --keep-rules keeps the rules without those by slices that the table does not have: nothing is wrong.
    assert json.loads(mlops(folder, "check", "--json").stdout)["problems"] == []
    assert "- measure: roc_auc" in (folder / "releases/gates.yml").read_text()
    assert ".education" not in (folder / "releases/gates.yml").read_text()


def test_an_example_is_listed_and_shown(fork: Path) -> None:
    listed = json.loads(mlops(fork, "init", "--list", "--json").stdout)
    unknown = mlops(fork, "init", "--example", "nothing")

    assert "regression" in [each["name"] for each in listed["examples"]]
    assert "unknown example 'nothing'" in unknown.stderr


# The files that run the steps, the pipeline and the demo on the fork's own columns. Left out: those about packages/,
# which the copy lacks, and those whose tables and models are their own.
OF_THE_FORK = (
    "tests/components/test_exported_graph.py",
    "tests/components/test_package_model.py",
    "tests/components/test_prepare_data.py",
    "tests/components/test_train_model.py",
    "tests/components/test_train_pipeline.py",
    "tests/components/test_validate_data.py",
    "tests/environments",
    "tests/lifecycle",
)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_its_own_tests_pass_without_its_data(tmp_path: Path) -> None:
    # Given a fork of another task, with times, gaps and an open category, in which git does not have the rows
    random = np.random.default_rng(4)
    hours = np.arange(1_500)
    temperature = random.normal(15, 8, 1_500).round(1)
    rentals = 60 + 30 * np.sin(hours / 24 * 2 * np.pi) + 2 * temperature + random.normal(0, 5, 1_500)
    rows = {
        "time": np.datetime64("2026-01-01T00:00", "us") + hours.astype("timedelta64[h]"),
        "place": random.choice(["old town", "harbour, east"], 1_500),
        "station": [f"station {each}" for each in random.integers(0, 50, 1_500)],
        "temperature": [None if at % 17 == 0 else value for at, value in enumerate(temperature.tolist())],
        "rentals": rentals.round(1),
    }
    pl.DataFrame(rows).write_csv(tmp_path / "bikes.csv", datetime_format="%Y-%m-%dT%H:%M")
    fork = copy_project(tmp_path / "fork", without=NOT_COPIED, remote=REMOTE)
    words = ("--data", str(tmp_path / "bikes.csv"), "--target", "rentals", "--time", "time")
    done = mlops(fork, "init", *words)
    assert done.returncode == 0, done.stderr
    assert mlops(fork, "check").returncode == 0
    (fork / "data" / "bikes.csv").unlink()
    # When
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *OF_THE_FORK]
    tested = subprocess.run(command, cwd=fork, capture_output=True, text=True, check=False)
    # Then
    assert tested.returncode == 0, tested.stdout[-4_000:]
