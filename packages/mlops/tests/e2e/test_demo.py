"""The whole way: `mlops demo` in a clean clone, and every command after it."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from azure.ai.ml import MLClient
from mlflow.tracking import MlflowClient

from azureml_emulator.other_users import NoOtherUser, check, unlisted
from model_package.package import package_digest

from .conftest import Lifecycle, git

pytestmark = pytest.mark.xdist_group("e2e")
DIGEST = r"sha256:[0-9a-f]{64}"


def test_demo_tells_job_metrics_model_and_stage(lifecycle: Lifecycle) -> None:
    first = lifecycle.first
    dev = first["stages"]["dev"]

    assert set(first) == {"job", "metrics", "model", "scored", "stages", "seconds"}
    assert first["job"].startswith("credit-default-")
    assert all(isinstance(value, float) and math.isfinite(value) for value in first["metrics"].values())
    assert 0.7 < first["metrics"]["roc_auc"] < 0.9
    assert first["model"]["name"] == "credit-default"
    assert first["model"]["version"] == "1"
    assert set(dev) == {"endpoint", "scoring_uri", "deployment", "traffic", "model_version", "digest"}
    assert dev["traffic"] == {"blue": 100}
    assert dev["model_version"] == "1"
    assert dev["scoring_uri"].endswith("/credit-default-dev/score")


def test_every_stage_runs_the_same_bytes(lifecycle: Lifecycle) -> None:
    stages = lifecycle.first["stages"]

    assert list(stages) == ["dev", "staging", "prod"]
    assert {stage["digest"] for stage in stages.values()} == {lifecycle.first["model"]["digest"]}
    assert all(stage["traffic"] == {stage["deployment"]: 100} for stage in stages.values())


def test_checkout_stays_as_it_was_and_the_model_knows_its_commit(lifecycle: Lifecycle) -> None:
    folder = lifecycle.clone.folder
    package = folder / ".mlops" / "models" / lifecycle.first["model"]["digest"].removeprefix("sha256:")
    head, status = (git(folder, *words) for words in (("rev-parse", "HEAD"), ("status", "--porcelain")))

    assert status == ""
    assert json.loads((package / "provenance.json").read_text())["git_commit"] == head
    assert git(folder, "branch", "--list") == "* main"


def test_progress_names_every_step_on_standard_error(lifecycle: Lifecycle) -> None:
    for step in ("validate_data", "prepare_data", "train_model", "evaluate_model", "package_model"):
        assert f"{step}: Completed" in lifecycle.first_run.stderr
    assert "SDK" not in lifecycle.first_run.stderr
    assert "experimental" not in lifecycle.first_run.stderr


def test_digest_is_that_of_the_package_and_the_report_is_kept(lifecycle: Lifecycle) -> None:
    digest = lifecycle.first["model"]["digest"]
    package = lifecycle.clone.folder / ".mlops" / "models" / digest.removeprefix("sha256:")
    report = lifecycle.clone.folder / ".mlops" / "reports" / "credit-default-1.html"

    assert package_digest(package) == digest
    # The page in the package does not know its version; the one that people open says what it is about.
    page, facts = report.read_text(), lifecycle.first
    for fact in ("credit-default 1", digest, facts["job"], "<dt>commit</dt>", "<dt>data</dt>"):
        assert fact in page
    untitled = page.replace(": credit-default 1</title>", "</title>")
    assert untitled.replace(facts_of(page), "<!-- facts -->") == (package / "report.html").read_text()
    checked = report.with_name(f"validation-{report.name}").read_text()
    for fact in ("credit-default 1", digest, facts["job"], f'href="{report.name}"'):
        assert fact in checked


def facts_of(page: str) -> str:
    return page[page.index('<dl class="facts">') : page.index("</dl>") + len("</dl>")]


def test_the_run_that_people_open_in_mlflow_has_what_the_steps_found(lifecycle: Lifecycle, client: MLClient) -> None:
    address = client.workspaces.get(client.workspace_name).mlflow_tracking_uri
    run = MlflowClient(tracking_uri=address).get_run(lifecycle.first["job"])

    assert run.data.metrics["roc_auc"] == pytest.approx(lifecycle.first["metrics"]["roc_auc"])
    assert run.data.params["seed"] == "7"
    assert run.data.tags["model"] == "credit-default 1"
    assert run.data.tags["model_digest"] == lifecycle.first["model"]["digest"]
    assert run.data.tags["data"].startswith("credit-default ")
    assert run.data.tags["mlflow.source.git.commit"]


@pytest.mark.skipif(sys.platform != "linux", reason="sockets and processes are read from /proc")
def test_other_users_of_the_machine_reach_nothing(lifecycle: Lifecycle) -> None:
    state = lifecycle.clone.folder / ".mlops" / "emulator"

    # every socket of the workspace, MLflow and six deployments is listed with a reason, or in a folder of the owner
    assert unlisted(state) == []
    try:
        got = check(state)
    except NoOtherUser as reason:
        pytest.skip(str(reason))
    assert got == []


def test_second_demo_reuses_everything(lifecycle: Lifecycle) -> None:
    again, said = lifecycle.again, lifecycle.second_run.stderr

    assert again["model"] == lifecycle.first["model"]
    assert again["stages"] == lifecycle.first["stages"]
    assert again["metrics"] == lifecycle.first["metrics"]
    assert again["job"] != lifecycle.first["job"]
    assert said.count("(reused)") == 5
    assert "uploading" not in said
    assert "promoting to prod" in said
    assert "merged" not in said
    assert "creating" not in said


def test_state_is_private(lifecycle: Lifecycle) -> None:
    folder = lifecycle.clone.folder / ".mlops"

    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "emulator").stat().st_mode & 0o077 == 0


def test_score_answers_the_sample_request(lifecycle: Lifecycle) -> None:
    answer = lifecycle.clone.document("score", "--stage", "dev", **lifecycle.variables)

    assert answer["model"] == "credit-default"
    assert answer["model_version"] == "1"
    assert 0 < answer["predictions"][0]["probability"] < 1


def test_status_shows_the_stage_that_runs_and_those_that_do_not(lifecycle: Lifecycle) -> None:
    stages = lifecycle.clone.document("status", **lifecycle.variables)["stages"]

    live = next(one for one in stages["dev"]["deployments"] if one["traffic"] == 100)
    assert live["digest"] == lifecycle.first["model"]["digest"]
    assert live["state"] == "Succeeded"
    assert stages["dev"]["last_job"]["name"].startswith("credit-default-")
    assert [one["digest"] for one in stages["prod"]["deployments"]] == [live["digest"]]


@pytest.fixture
def new_shell(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that knows of no workspace; the tests of this process may share one."""
    for name in lifecycle.variables:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("new_shell")
def test_a_new_shell_finds_the_running_workspace_by_itself(lifecycle: Lifecycle) -> None:
    done = lifecycle.clone.mlops("status", "--json")

    assert json.loads(done.stdout)["stages"]["dev"]["deployments"]
    assert done.stderr == "using the workspace that runs on this machine\n"


@pytest.mark.usefixtures("new_shell")
def test_a_project_with_a_subscription_is_never_taken_to_the_workspace_on_this_machine(lifecycle: Lifecycle) -> None:
    file = lifecycle.clone.folder / "project.yml"
    text = file.read_text()
    zeros = "00000000-0000-0000-0000-000000000000"
    try:
        file.write_text(text.replace(zeros, "11111111-1111-1111-1111-111111111111", 1))
        done = lifecycle.clone.mlops("status", "--json")
    finally:
        file.write_text(text)

    assert "on this machine\n" not in done.stderr
    assert done.returncode != 0


def test_env_leads_any_program_to_the_workspace(lifecycle: Lifecycle, tmp_path: Path) -> None:
    # given a program that knows nothing of this project
    program = tmp_path / "program.py"
    program.write_text(
        "import os\n"
        "from azure.ai.ml import MLClient\n"
        "from azure.identity import DefaultAzureCredential\n"
        "client = MLClient(DefaultAzureCredential(), os.environ['AZURE_SUBSCRIPTION_ID'],\n"
        "    'rg-credit-default-dev', 'mlw-credit-default-dev')\n"
        "print(client.models.get('credit-default', '1').tags['digest'])\n"
    )

    # when
    mlops = f'"{sys.executable}" -m mlops'
    script = f'eval "$({mlops} env)" && "{sys.executable}" "{program}"'
    done = subprocess.run(["sh", "-c", script], cwd=lifecycle.clone.folder, capture_output=True, text=True, check=True)

    # then
    assert done.stdout.strip() == lifecycle.first["model"]["digest"]
