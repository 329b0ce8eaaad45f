"""MLflow and the SDK see the same models, artifacts and runs: one job and one program, each read from both sides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from azureml_emulator.testing import RunningEmulator, wait_for

# Two programs import MLflow here, and its server starts.
pytestmark = pytest.mark.long

ENVIRONMENT = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
STEP = """
import os, pathlib, sys
import mlflow

def next_number(model_input: list[int]) -> list[int]:
    return [number + 1 for number in model_input]

pathlib.Path("outputs", "o.txt").write_text("written")
pathlib.Path(sys.argv[2], "declared.txt").write_text("declared")
with mlflow.start_run():
    mlflow.set_tag("colour", "blue")
    mlflow.log_text("logged", "notes/n.txt")
    arguments = {"python_model": next_number, "pip_requirements": [], "registered_model_name": sys.argv[1]}
    mlflow.pyfunc.log_model("model", **arguments)
mlflow.pyfunc.log_model("loose", python_model=next_number, pip_requirements=[])
"""
ENDED = {"Completed", "Failed", "Canceled"}


@dataclass(frozen=True)
class Story:
    """The job, the names of its model and of one that the SDK registered, and what the program found."""

    job: Any
    model: str
    of_sdk: str
    found: dict[str, Any]


@pytest.fixture(scope="module")
def story(
    ml_client: Any,
    emulator: RunningEmulator,
    client_of: Callable[[RunningEmulator], httpx.Client],
    tmp_path_factory: pytest.TempPathFactory,
) -> Story:
    """A job that logs and registers a model by MLflow; then a program outside of any job."""
    from azure.ai.ml import Output, command
    from azure.ai.ml.entities import Model

    code = tmp_path_factory.mktemp("code")
    (code / "step.py").write_text(STEP)
    model, of_sdk = f"Sums-{uuid.uuid4().hex[:8]}", f"sdk-{uuid.uuid4().hex[:8]}"
    work = command(
        command=f"python step.py {model} ${{{{outputs.artifacts}}}}",
        code=str(code),
        environment=ENVIRONMENT,
        compute="cpu-cluster",
        outputs={"artifacts": Output(type="uri_folder")},
    )
    name = ml_client.jobs.create_or_update(work).name
    job = wait_for(lambda: found if (found := ml_client.jobs.get(name)).status in ENDED else None)
    log = downloaded_log(ml_client, name, tmp_path_factory.mktemp("log")).read_text()
    assert job.status == "Completed", log
    registered = Model(name=of_sdk, path=f"runs:/{name}/model", type="mlflow_model", description="by the SDK")
    ml_client.models.create_or_update(registered)
    program = [sys.executable, str(Path(__file__).with_name("outside_program.py"))]
    done = subprocess.run(
        [*program, name, model, of_sdk, pages(client_of(emulator))],
        env={**os.environ, **emulator.variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Story(job, model, of_sdk, json.loads(done.stdout.splitlines()[-1]))


def pages(client: httpx.Client) -> str:
    """The address of MLflow's web pages."""
    return client.get("/_emulator/summary").json()["mlflow"]


def downloaded_log(ml_client: Any, name: str, folder: Path) -> Path:
    """The log of a job's process, downloaded."""
    ml_client.jobs.download(name, download_path=folder)
    return folder / "artifacts" / "user_logs" / "std_log.txt"


def test_a_model_registered_by_mlflow_is_one_of_the_workspace(ml_client: Any, story: Story) -> None:
    # its name has capitals, and each version number is given once, by MLflow or by the SDK
    versions = {version.version: version for version in ml_client.models.list(name=story.model)}
    assert set(versions) == {"1", "2", "3"}
    assert (versions["1"].type, versions["1"].job_name) == ("mlflow_model", story.job.name)
    assert "python_function" in versions["1"].flavors
    assert story.found["run of version"] == story.job.name
    assert story.found["outside"]["version"] == "2"
    assert story.found["plain"]["version"] == "3"


def test_what_mlflow_says_of_a_model_shows_in_the_workspace(ml_client: Any, story: Story) -> None:
    version = ml_client.models.get(story.model, "1")
    assert (version.stage, version.description, version.tags) == ("Production", "good", {"reviewed": "yes"})
    assert version.properties["mlflow.aliases"] == "champion"
    # a change by the SDK keeps what it does not send
    version.tags["by"] = "sdk"
    changed = ml_client.models.create_or_update(version)
    assert (changed.stage, changed.tags) == ("Production", {"reviewed": "yes", "by": "sdk"})


def test_a_model_registered_by_the_sdk_is_in_mlflow(story: Story) -> None:
    assert story.found["of sdk"] == "by the SDK"
    assert story.model in story.found["searched"]
    assert story.found["predictions"] == [[2], [2], [2]]
    assert story.found["by alias"] == [3]
    assert "MLmodel" in story.found["downloaded"]


def test_artifacts_of_a_run_are_those_of_its_job(ml_client: Any, story: Story, tmp_path: Path) -> None:
    # what a job writes, and what MLflow logs, is listed by MLflow
    assert {"model", "notes", "outputs", "user_logs", "declared.txt"} <= set(story.found["artifacts"])
    assert story.found["outputs"] == ["outputs/o.txt"]
    # and downloaded by the SDK
    ml_client.jobs.download(story.job.name, download_path=tmp_path)
    root = tmp_path / "artifacts"
    assert (root / "notes" / "n.txt").read_text() == "logged"
    assert (root / "outputs" / "o.txt").read_text() == "written"
    assert (root / "declared.txt").read_text() == "declared"
    assert (root / "model" / "MLmodel").is_file()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("azureml://jobs/{job}/outputs/artifacts/paths/outputs/o.txt", "custom_model"),
        ("azureml://jobs/{job}/outputs/artifacts/paths/model/", "mlflow_model"),
        ("runs:/{job}/model", "mlflow_model"),
    ],
)
def test_artifacts_are_references(ml_client: Any, story: Story, path: str, kind: str) -> None:
    from azure.ai.ml.entities import Model

    name = f"ref-{uuid.uuid4().hex[:8]}"
    model = ml_client.models.create_or_update(Model(name=name, path=path.format(job=story.job.name), type=kind))
    assert (model.version, model.job_name) == ("1", story.job.name)


def test_artifacts_are_inputs(ml_client: Any, story: Story, tmp_path: Path) -> None:
    from azure.ai.ml import Input, command

    runs = story.found["outside"]["run"]
    place = f"azureml://jobs/{runs}/outputs/artifacts/paths"
    work = command(
        command="cat ${{inputs.text}} && ls ${{inputs.model}}",
        environment=ENVIRONMENT,
        compute="cpu-cluster",
        inputs={
            "text": Input(type="uri_file", path=f"{place}/hello.txt"),
            "model": Input(type="mlflow_model", path=f"{place}/model"),
        },
    )
    name = ml_client.jobs.create_or_update(work).name
    wait_for(lambda: ml_client.jobs.get(name).status in ENDED)
    log = downloaded_log(ml_client, name, tmp_path).read_text()
    assert "hello" in log
    assert "MLmodel" in log


@pytest.mark.parametrize("way", ["outside", "plain"])
def test_a_run_outside_of_a_job_is_a_job(ml_client: Any, story: Story, tmp_path: Path, way: str) -> None:
    run, inner = story.found[way]["run"], story.found[way]["inner"]
    job = ml_client.jobs.get(run)
    assert (job.status, job.display_name, job.experiment_name) == ("Completed", f"run of {way}", way)
    assert job.tags == {"colour": "red"}
    listed = {each.name for each in ml_client.jobs.list()}
    assert run in listed
    assert inner not in listed
    assert [child.name for child in ml_client.jobs.list(parent_job_name=run)] == [inner]
    ml_client.jobs.download(run, download_path=tmp_path)
    assert (tmp_path / "artifacts" / "hello.txt").read_text() == "hello"


def test_tags_of_a_job_show_in_the_workspace(story: Story) -> None:
    assert story.job.tags == {"colour": "blue"}
