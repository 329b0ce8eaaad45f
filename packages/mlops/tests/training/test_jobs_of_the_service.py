"""What the service answers about jobs and versions in its own ways: nested pipelines, late cancels, taken numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.ai.ml import MLClient, load_component
from azure.ai.ml.dsl import pipeline
from azure.ai.ml.entities import PipelineJob, PipelineJobSettings
from azure.ai.ml.sweep import Choice
from azure.identity import DefaultAzureCredential

from azureml_emulator.testing import running_emulator
from mlops.audit.log import AuditLog
from mlops.audit.record import Event, Record
from mlops.batch.score import _cancelled as scoring_cancelled
from mlops.cli.progress import step_board
from mlops.settings.project import load_project
from mlops.training.following import follow, job_failure
from mlops.training.run import _cancelled as training_cancelled

ROOT = Path(__file__).parents[4]
STEP = """
type: command
name: {name}
command: {command}
environment: azureml://registries/azureml/environments/sklearn-1.5/labels/latest
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLClient]:
    folder = tmp_path_factory.mktemp("emulator")
    with running_emulator(folder, background_start="lazy") as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.variables.items():
            patch.setenv(name, value)
        names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME")
        yield MLClient(DefaultAzureCredential(), *(running.variables[name] for name in names))


@pytest.fixture(scope="module")
def ended(client: MLClient, tmp_path_factory: pytest.TempPathFactory) -> PipelineJob:
    """A pipeline whose step inside two nested pipelines failed."""
    file = tmp_path_factory.mktemp("step") / "component.yml"
    file.write_text(STEP.format(name="crash", command="echo the reason; exit 3"))
    crash = load_component(file)

    @pipeline
    def inner() -> None:
        crash()

    @pipeline
    def outer() -> None:
        inner()

    @pipeline
    def whole() -> None:
        outer()

    made = whole()
    made.settings = PipelineJobSettings(default_compute="cpu-cluster")
    job = client.jobs.create_or_update(made, experiment_name="nested")
    with pytest.raises(Exception, match="the reason"):
        client.jobs.stream(job.name)
    return client.jobs.get(job.name)


@dataclass(frozen=True)
class Submitted:
    """A job as `follow` wants it."""

    name: str
    steps: tuple[str, ...]


def test_the_log_of_a_step_inside_nested_pipelines_is_shown(
    client: MLClient, ended: PipelineJob, tmp_path: Path
) -> None:
    project = load_project(ROOT).model_copy(update={"root": tmp_path})
    with step_board() as board:
        job = follow(client, Submitted(str(ended.name), ("outer",)), board)

    failed = job_failure(client, project, job, None)

    assert [(step.name, step.status) for step in job.steps] == [("outer", "Failed")]
    assert "step outer.inner.crash" in failed.message
    assert "the reason" in "\n".join(failed.details)


def test_a_step_of_several_processes_says_which_of_them_failed_and_why(client: MLClient, tmp_path: Path) -> None:
    file = tmp_path / "component.yml"
    ranks = "distribution: {type: pytorch, process_count_per_instance: 2}\n"
    file.write_text(STEP.format(name="ranks", command="echo rank $RANK; test $RANK = 0 && sleep 60; exit 3") + ranks)
    ranked = load_component(file)

    @pipeline
    def whole() -> None:
        ranked()

    made = whole()
    made.settings = PipelineJobSettings(default_compute="cpu-cluster")
    name = str(client.jobs.create_or_update(made, experiment_name="ranks").name)
    project = load_project(ROOT).model_copy(update={"root": tmp_path})
    with step_board() as board:
        job = follow(client, Submitted(name, ("ranked",)), board)

    failed = job_failure(client, project, job, None)

    assert "rank 1, exited with code 3. Still running then: rank 0" in failed.details[0]
    assert failed.details[-1] == "rank 1"
    # Neither JSON nor the notes that begin a log.
    assert not [line for line in failed.details if line.startswith(("#", "$", "{")) or "\\n" in line]
    assert "The logs: " in failed.advice
    assert "user_logs" in failed.advice


def test_a_failed_sweep_says_why(client: MLClient, tmp_path: Path) -> None:
    # given a step whose trials end well, and do not report what they are compared by
    file = tmp_path / "component.yml"
    file.write_text(f"{STEP.format(name='silent', command='echo ${{inputs.x}}')}inputs: {{x: {{type: integer}}}}\n")
    silent = load_component(file)

    @pipeline
    def whole() -> None:
        trial = silent(x=Choice([1]))
        step = trial.sweep(sampling_algorithm="random", primary_metric="held_out_accuracy", goal="maximize")
        step.set_limits(max_total_trials=1)

    made = whole()
    made.settings = PipelineJobSettings(default_compute="cpu-cluster")
    name = str(client.jobs.create_or_update(made, experiment_name="silent").name)
    project = load_project(ROOT).model_copy(update={"root": tmp_path})
    with step_board() as board:
        job = follow(client, Submitted(name, ("step",)), board)

    failed = job_failure(client, project, job, None)

    assert failed.message == f"step step of job {name} failed"
    assert "No trial has reported the primary metric 'held_out_accuracy'" in "\n".join(failed.details)


def test_a_cancel_that_comes_too_late_is_no_failure(client: MLClient, ended: PipelineJob) -> None:
    for cancelled in (training_cancelled, scoring_cancelled):
        assert "had already ended" in cancelled(client, str(ended.name)).message


def test_a_record_whose_number_another_writer_took_gets_the_next(client: MLClient) -> None:
    # given two writers of one log
    mine, others = AuditLog(client), AuditLog(client)
    event = Event(kind="gate", stage="dev", step="gate", model="m", version="1", digest="sha256:x", reason="mine")

    # when the other one is faster after this one has read the log
    def may(records: Sequence[Record]) -> bool:
        if not records:
            others.append(event.model_copy(update={"reason": "theirs"}))
        return True

    written = mine.append_if(event, may)

    # then nothing is lost
    records, breaks = mine.read()
    assert [(record.number, record.event.reason) for record in records] == [(1, "theirs"), (2, "mine")]
    assert (written, breaks) == (records[1], ())
