"""Schedules through the unmodified SDK: they start jobs, are listed, switched off and on, and triggered."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.testing import RunningEmulator

pytestmark = pytest.mark.xdist_group("batch")

START_SECONDS = 60.0
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


def jobs_of(ml_client: Any, schedule: str) -> list[Any]:
    return [job for job in ml_client.jobs.list() if (job.display_name or "").startswith(f"{schedule}-")]


def eventually(found: Callable[[], list[Any]]) -> list[Any]:
    deadline = time.monotonic() + START_SECONDS
    while not (jobs := found()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return jobs


def test_a_schedule_starts_its_job_when_its_time_has_come(ml_client: Any, pipeline: Any) -> None:
    from azure.ai.ml.entities import JobSchedule, RecurrenceTrigger

    # given a schedule that begins in a moment
    start = datetime.now(UTC) + timedelta(seconds=1)
    trigger = RecurrenceTrigger(frequency="day", interval=1, start_time=start.isoformat())
    ml_client.schedules.begin_create_or_update(JobSchedule(name="soon", trigger=trigger, create_job=pipeline)).result()
    assert jobs_of(ml_client, "soon") == []
    # then
    (job,) = eventually(lambda: jobs_of(ml_client, "soon"))
    assert job.experiment_name == "scheduled"
    assert job.display_name == f"soon-{start:%Y%m%dT%H%M%SZ}"
    ml_client.schedules.begin_delete("soon").result()


def test_a_schedule_is_read_switched_off_and_on_and_triggered(ml_client: Any, pipeline: Any) -> None:
    from azure.ai.ml.constants._common import TimeZone
    from azure.ai.ml.entities import CronTrigger, JobSchedule
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    trigger = CronTrigger(expression="0 4 * * 1", time_zone=TimeZone.ROMANCE_STANDARD_TIME)
    created = JobSchedule(name="weekly", trigger=trigger, create_job=pipeline, description="nightly of Mondays")
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

    ml_client.schedules.begin_delete("weekly").result()
    with pytest.raises(ResourceNotFoundError):
        ml_client.schedules.get("weekly")


def test_a_schedule_of_a_job_that_exists_takes_over_what_the_job_was(ml_client: Any, pipeline: Any) -> None:
    from azure.ai.ml.entities import CronTrigger, JobSchedule

    before = ml_client.jobs.create_or_update(pipeline)
    schedule = JobSchedule(name="again", trigger=CronTrigger(expression="0 4 * * 1"), create_job=before.id)
    ml_client.schedules.begin_create_or_update(schedule).result()

    result = ml_client.schedules.trigger("again")

    assert ml_client.jobs.get(result.job_name)._to_dict()["inputs"] == {"word": "hello"}
    ml_client.schedules.begin_delete("again").result()


def test_a_schedule_of_a_job_that_could_not_run_is_refused(
    http: Any, workspace: str, assert_azure_error: Callable[..., None]
) -> None:
    definition = {"jobType": "Pipeline", "jobs": {"a": {"type": "sweep"}}}
    trigger = {"triggerType": "Cron", "expression": "0 4 * * 1"}
    body = {"properties": {"trigger": trigger, "action": {"actionType": "CreateJob", "jobDefinition": definition}}}

    reply = http.put(f"{workspace}/schedules/bad", params={"api-version": "2023-06-01-preview"}, json=body)

    assert_azure_error(reply, 501, "NotImplemented", "sweep")


def test_schedules_outlive_the_emulator(
    fresh_emulator: Callable[..., RunningEmulator],
    client_of: Callable[[RunningEmulator], Any],
    workspace_of: Callable[..., str],
) -> None:
    # given a schedule that is due in three seconds, of an emulator that is killed before that
    running = fresh_emulator()
    workspace, client = workspace_of(running), client_of(running)
    component = f"{workspace}/components/azureml_anonymous/versions/1"
    specification = {"componentSpec": {"type": "command", "command": "echo hello"}}
    client.put(component, params={"api-version": "2023-04-01"}, json={"properties": specification})
    definition = {"jobType": "Pipeline", "jobs": {"say": {"type": "command", "componentId": component}}}
    start = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    trigger = {"triggerType": "Recurrence", "frequency": "Minute", "interval": 1, "startTime": start}
    body = {"properties": {"trigger": trigger, "action": {"actionType": "CreateJob", "jobDefinition": definition}}}
    place = f"{workspace}/schedules/survivor"
    assert client.put(place, params={"api-version": "2023-06-01-preview"}, json=body).status_code == 201
    running.kill()
    running.restart()
    # then it starts its job all the same
    again = client_of(running)
    listed = {"api-version": "2024-01-01-preview"}
    jobs = eventually(lambda: again.get(f"{workspace}/jobs", params=listed).json()["value"])
    assert jobs[0]["properties"]["displayName"].startswith("survivor-")
