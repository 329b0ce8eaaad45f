"""Schedules through the unmodified SDK: they start jobs, are listed, disabled, enabled and triggered."""

from __future__ import annotations

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

    before = ml_client.jobs.create_or_update(pipeline)
    schedule = JobSchedule(name="again", trigger=CronTrigger(expression="0 4 * * 1"), create_job=before.id)
    ml_client.schedules.begin_create_or_update(schedule).result()

    result = ml_client.schedules.trigger("again")

    assert ml_client.jobs.get(result.job_name)._to_dict()["inputs"] == {"word": "hello"}
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
