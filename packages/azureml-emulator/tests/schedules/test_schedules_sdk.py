"""Schedules through the unmodified SDK: they start jobs, are listed, disabled, enabled and triggered."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.testing import RunningEmulator, wait_for

pytestmark = pytest.mark.xdist_group("jobs")

# Schedules must exist before they are due: on a loaded machine the first try may be late.
DELAYS_SECONDS = (1, 4, 16, 64)
PIPELINE = """
type: pipeline
experiment_name: scheduled
settings: {default_compute: azureml:cpu-cluster}
inputs: {word: hello}
jobs:
  say:
    type: command
    command: echo ${{inputs.word}}
    environment: {image: busybox}
    inputs: {word: "${{parent.inputs.word}}"}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Any:
    from azure.ai.ml import load_job

    (tmp_path / "job.yml").write_text(PIPELINE)
    return load_job(tmp_path / "job.yml")


@pytest.fixture
def wait_for_job(http: Any, workspace: str) -> Callable[[str], str]:
    """Waits for the end of a pipeline that fails. Returns the error of its only step."""

    def failed(job: str) -> str:
        runs = f"/history/v1.0{workspace}/runs"
        details = wait_for(
            lambda: (
                each if (each := http.get(f"{runs}/{job}/details").json())["status"] in {"Failed", "Completed"} else {}
            )
        )
        assert details["status"] == "Failed"
        (step,) = http.get(f"{runs}/{job}/children").json()["value"]
        return http.get(f"{runs}/{step['runId']}/details").json()["error"]["error"]["message"]

    return failed


def jobs_of(ml_client: Any, schedule: str) -> list[Any]:
    return [job for job in ml_client.jobs.list() if (job.display_name or "").startswith(f"{schedule}-")]


def delete(ml_client: Any, name: str) -> None:
    """Disable a schedule, and delete it: an enabled one cannot be deleted."""
    ml_client.schedules.begin_disable(name).result()
    ml_client.schedules.begin_delete(name).result()


def test_a_schedule_starts_its_job_when_it_is_due(ml_client: Any, pipeline: Any) -> None:
    from azure.ai.ml.entities import JobSchedule, RecurrenceTrigger

    # given a schedule that is due soon after its creation
    for delay in DELAYS_SECONDS:
        start = datetime.now(UTC) + timedelta(seconds=delay)
        trigger = RecurrenceTrigger(frequency="day", interval=1, start_time=start.isoformat())
        schedule = JobSchedule(name="soon", trigger=trigger, create_job=pipeline)
        ml_client.schedules.begin_create_or_update(schedule).result()
        if datetime.now(UTC) < start:
            break
        delete(ml_client, "soon")
    # then its job starts
    job = wait_for(lambda: jobs_of(ml_client, "soon"))[0]
    assert job.experiment_name == "scheduled"
    assert job.display_name == f"soon-{start:%Y%m%dT%H%M%SZ}"
    delete(ml_client, "soon")


def test_a_schedule_is_read_disabled_enabled_and_triggered(ml_client: Any, pipeline: Any) -> None:
    from azure.ai.ml.constants._common import TimeZone
    from azure.ai.ml.entities import CronTrigger, JobSchedule
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    trigger = CronTrigger(expression="0 4 * * 1", time_zone=TimeZone.ROMANCE_STANDARD_TIME)
    created = JobSchedule(name="weekly", trigger=trigger, create_job=pipeline, description="Monday nights")
    ml_client.schedules.begin_create_or_update(created).result()

    found = ml_client.schedules.get("weekly")
    assert (found.trigger.expression, found.is_enabled) == ("0 4 * * 1", True)
    assert found.create_job._to_dict()["inputs"] == {"word": "hello"}
    assert "weekly" in [each.name for each in ml_client.schedules.list()]

    ml_client.schedules.begin_disable("weekly").result()
    assert "weekly" not in [each.name for each in ml_client.schedules.list()]
    with pytest.raises(HttpResponseError, match="is disabled"):
        ml_client.schedules.trigger("weekly")

    ml_client.schedules.begin_enable("weekly").result()
    result = ml_client.schedules.trigger("weekly")
    assert ml_client.jobs.get(result.job_name).display_name.startswith("weekly-")

    with pytest.raises(HttpResponseError, match="Cannot delete an active trigger"):
        ml_client.schedules.begin_delete("weekly").result()
    delete(ml_client, "weekly")
    with pytest.raises(ResourceNotFoundError):
        ml_client.schedules.get("weekly")


def test_a_schedule_of_an_existing_job_uses_its_definition(ml_client: Any, pipeline: Any) -> None:
    from azure.ai.ml.entities import CronTrigger, JobSchedule

    # given a job whose steps have the compute of the whole job
    pipeline.compute, pipeline.settings.default_compute = "cpu-cluster", None
    before = ml_client.jobs.create_or_update(pipeline)
    schedule = JobSchedule(name="again", trigger=CronTrigger(expression="0 4 * * 1"), create_job=before.id)
    # when it is scheduled by its id, then the schedule is answered with its compute, and without its experiment
    made = ml_client.schedules.begin_create_or_update(schedule).result().create_job
    assert (made.compute.rsplit("/")[-1], made.experiment_name) == ("cpu-cluster", "")

    result = ml_client.schedules.trigger("again")

    triggered = ml_client.jobs.get(result.job_name)
    assert (triggered._to_dict()["inputs"], triggered.experiment_name) == ({"word": "hello"}, "again")
    delete(ml_client, "again")


def test_a_schedule_of_an_unsupported_job_is_refused(
    http: Any, workspace: str, assert_azure_error: Callable[..., None]
) -> None:
    definition = {"jobType": "Pipeline", "jobs": {"a": {"type": "import"}}}
    trigger = {"triggerType": "Cron", "expression": "0 4 * * 1"}
    body = {"properties": {"trigger": trigger, "action": {"actionType": "CreateJob", "jobDefinition": definition}}}

    reply = http.put(f"{workspace}/schedules/bad", params={"api-version": "2023-06-01-preview"}, json=body)

    assert_azure_error(reply, 501, "NotImplemented", "import")


def test_schedules_survive_a_kill(
    fresh_emulator: Callable[..., RunningEmulator],
    client_of: Callable[[RunningEmulator], Any],
    workspace_of: Callable[..., str],
) -> None:
    # given a schedule of an emulator that is killed before it is due
    running = fresh_emulator()
    workspace, client = workspace_of(running), client_of(running)
    component = f"{workspace}/components/azureml_anonymous/versions/1"
    specification = {"componentSpec": {"type": "command", "command": "echo hello"}}
    client.put(component, params={"api-version": "2023-04-01"}, json={"properties": specification})
    definition = {"jobType": "Pipeline", "jobs": {"say": {"type": "command", "componentId": component}}}
    for delay in DELAYS_SECONDS[1:]:
        start = datetime.now(UTC) + timedelta(seconds=delay)
        trigger = {"triggerType": "Recurrence", "frequency": "Minute", "interval": 1, "startTime": start.isoformat()}
        body = {"properties": {"trigger": trigger, "action": {"actionType": "CreateJob", "jobDefinition": definition}}}
        url = f"{workspace}/schedules/survivor{delay}"
        assert client.put(url, params={"api-version": "2023-06-01-preview"}, json=body).status_code == 201
        running.kill()
        if datetime.now(UTC) < start:
            break
        running.restart()
        client = client_of(running)
    # when it is started again, then the schedule starts its job
    running.restart()
    again, listed = client_of(running), {"api-version": "2024-01-01-preview"}
    jobs = wait_for(lambda: again.get(f"{workspace}/jobs", params=listed).json()["value"])
    assert f"survivor{delay}-" in [job["properties"]["displayName"][: len(f"survivor{delay}-")] for job in jobs]


def test_days_of_the_week_are_read_as_azure_writes_them(ml_client: Any, pipeline: Any) -> None:
    from azure.ai.ml.entities import JobSchedule, RecurrencePattern, RecurrenceTrigger

    pattern = RecurrencePattern(hours=4, minutes=0, week_days=["monday", "friday"])
    trigger = RecurrenceTrigger(frequency="week", interval=1, schedule=pattern)
    ml_client.schedules.begin_create_or_update(JobSchedule(name="days", trigger=trigger, create_job=pipeline)).result()

    assert ml_client.schedules.get("days").trigger.schedule.week_days == ["Monday", "Friday"]
    delete(ml_client, "days")


def test_a_data_import_is_a_job_that_fails_by_name(ml_client: Any, wait_for_job: Any) -> None:
    from azure.ai.ml.data_transfer import Database
    from azure.ai.ml.entities import DataImport

    source = Database(connection="azureml:sql", query="select * from region")
    path = "azureml://datastores/workspaceblobstore/paths/imported"
    wanted = DataImport(name="region", source=source, path=path)

    job = ml_client.data.import_data(wanted)

    assert "no databases and file systems behind connections" in wait_for_job(job.name)
    assert [each.name for each in ml_client.data.list(name="region")] == []


def test_schedules_of_imports_and_monitors_are_kept_and_their_jobs_fail(
    http: Any, workspace: str, ml_client: Any, wait_for_job: Any
) -> None:
    # given a schedule of each kind
    trigger = {"triggerType": "Cron", "expression": "15 10 * * 1", "timeZone": "UTC"}
    source = {"sourceType": "database", "connection": "azureml:sql", "query": "select 1"}
    uri = "azureml://datastores/workspaceblobstore/paths/{name}"
    sink = {"assetName": "r", "dataType": "mltable", "dataUri": uri, "source": source}
    actions = {
        "import": {"actionType": "ImportData", "dataImportDefinition": sink},
        "monitor": {"actionType": "CreateMonitor", "monitorDefinition": {"computeId": "spark", "signals": {}}},
    }
    version = {"api-version": "2023-04-01-preview"}
    answers, messages, jobs = {}, {}, set()
    for kind, action in actions.items():
        url = f"{workspace}/schedules/{kind}-{uuid.uuid4().hex[:8]}"
        body = {"properties": {"trigger": trigger, "action": action, "displayName": "x"}}
        http.put(url, params=version, json=body).raise_for_status()
        answers[kind] = http.get(url, params=version).json()["properties"]

        # when it is due
        started = http.post(f"{url}/trigger", params=version, json={}).json()
        messages[kind] = wait_for_job(started["submissionId"])
        jobs.add(started["submissionId"])

    # then it is kept in the form that Azure gives it (tests/recorded has the rest)
    assert answers["import"]["action"]["dataImportDefinition"]["dataUri"] == f"{uri}/${{{{name}}}}"
    assert answers["import"]["properties"]["azureml.materializationAssetName"] == "r"
    assert answers["monitor"]["action"]["monitorDefinition"]["alertNotificationSetting"] is None
    # and its job says that nothing ran
    assert "nothing was transferred" in messages["import"]
    assert "nothing was measured" in messages["monitor"]
    # which the SDK lists
    assert jobs <= {each.name for each in ml_client.jobs.list()}


@pytest.mark.parametrize(
    ("action", "status", "says"),
    [
        ({"actionType": "InvokeBatchEndpoint"}, 501, "have the actions CreateJob, ImportData, CreateMonitor"),
        ({"actionType": "ImportData"}, 400, "needs dataImportDefinition"),
        ({"actionType": "ImportData", "dataImportDefinition": {"assetName": "a"}}, 400, "and a source"),
    ],
)
def test_a_wrong_action_is_refused(http: Any, workspace: str, action: dict[str, Any], status: int, says: str) -> None:
    trigger = {"triggerType": "Cron", "expression": "15 10 * * 1"}

    reply = http.put(f"{workspace}/schedules/wrong", json={"properties": {"trigger": trigger, "action": action}})

    assert reply.status_code == status
    assert says in reply.json()["error"]["message"]
