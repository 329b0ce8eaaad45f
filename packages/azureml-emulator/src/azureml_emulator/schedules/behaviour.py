"""The kind `schedules`: a PUT checks the trigger and the job, and schedules it; POST trigger runs it now.

`actions.py` says which job that is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from azureml_emulator.jobs.behaviour import Jobs
from azureml_emulator.jobs.job_records import KIND as JOB_KIND
from azureml_emulator.jobs.job_records import JobRecords, job_path
from azureml_emulator.kernel.behaviours import Action, Behaviour, Stored
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import BadRequest, NotModelled
from azureml_emulator.kernel.kinds import Kind, kind_of
from azureml_emulator.kernel.resource_id import ResourcePath, Scope, parse_resource_path
from azureml_emulator.kernel.service_fields import filled
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.schedules.actions import (
    CREATE_JOB,
    DEFINITIONS,
    job_of,
    properties_of,
    shown_action,
    stored_action,
)
from azureml_emulator.schedules.scheduler import Scheduler
from azureml_emulator.schedules.trigger import read_trigger

KIND = "schedules"
_TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_TRIGGER = {"endTime": None, "startTime": None}
_PATTERN = {"monthDays": None, "weekDays": None}
_EXPERIMENT = "experimentName"
# What a definition that names an existing job inherits from it, unless it has its own.
_INHERITED = ("jobs", "inputs", "outputs", "settings", "displayName", "environmentId", "computeId", "identity")


class Schedules(Behaviour):
    """Schedules of one emulator."""

    def __init__(self, store: Store, clock: Clock, jobs: Jobs, records: JobRecords) -> None:
        super().__init__(store, clock)
        self._jobs = jobs
        self._records = records
        self.scheduler = Scheduler(clock, self._start)

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Create or change a schedule. Raises BadRequest for an invalid trigger or a job that could not run."""
        existing = self.store.get(path.key)
        properties = {"isEnabled": True, **_without_nulls(body.get("properties", {}))}
        action = self._action(properties.get("action"), path.scope)
        self._jobs.check(job_path(path.scope, path.name), job_of(action))
        properties["trigger"] = _as_shown(properties.get("trigger"))
        properties["action"] = action
        if (kind_of_action := action["actionType"]) != CREATE_JOB:
            own = properties_of(kind_of_action, action[DEFINITIONS[kind_of_action]])
            properties["properties"] = {**(properties.get("properties") or {}), **own}
        draft = self.draft(kind, path, {**body, "properties": properties}, existing)
        trigger = read_trigger(properties.get("trigger"), _created(draft))
        if trigger.end is not None and trigger.end <= self.clock.now() and existing is None:
            raise BadRequest(
                "The schedule would never run: endTime is in the past.", code="UserError", target="endTime"
            )
        resource = self.store.put(draft)
        # A new schedule may be due at its very creation, a changed one only from now on.
        self._schedule(resource, _created(resource) - timedelta.resolution if existing is None else self.clock.now())
        return Stored(resource, created=existing is None)

    async def delete(self, resource: Resource) -> Stored:
        """Delete a disabled schedule; its jobs stay. Raises BadRequest for an enabled one, as Azure does."""
        if resource.properties.get("isEnabled"):
            raise BadRequest(
                f"Cannot delete an active trigger: disable the schedule '{resource.name}' first.", code="UserError"
            )
        self.scheduler.remove(resource.key)
        return await super().delete(resource)

    def present(self, resource: Resource) -> dict[str, Any]:
        """The document, with every field of its trigger and of its job."""
        trigger = filled(resource.properties["trigger"], _TRIGGER)
        if isinstance(trigger.get("schedule"), dict):
            trigger["schedule"] = filled(trigger["schedule"], _PATTERN)
        return resource.with_properties(trigger=trigger, action=shown_action(resource.properties["action"])).document

    def actions(self) -> dict[str, Action]:
        """POST trigger."""
        return {"trigger": self._trigger}

    def open(self) -> None:
        """At start: schedule what is stored. Runs that were missed while the emulator was down are not made up for."""
        for resource in self.store.of_kind(KIND):
            self._schedule(resource, self.clock.now())
        self.scheduler.open()

    def _schedule(self, resource: Resource, after: datetime) -> None:
        self.scheduler.remove(resource.key)
        if resource.properties.get("isEnabled"):
            self.scheduler.put(resource.key, read_trigger(resource.properties["trigger"], _created(resource)), after)

    def _action(self, given: Any, scope: Scope) -> dict[str, Any]:
        """The action of a schedule as it is kept. Raises NotModelled for one of an unknown type."""
        kind = str((given or {}).get("actionType"))
        if kind not in DEFINITIONS:
            raise NotModelled(f"The emulator's schedules have the actions {', '.join(DEFINITIONS)}, not '{kind}'.")
        definition = given.get(DEFINITIONS[kind])
        if not isinstance(definition, dict):
            raise BadRequest(f"The action {kind} needs {DEFINITIONS[kind]}.", code="UserError", target="action")
        if kind != CREATE_JOB:
            return stored_action(kind, definition)
        return {"actionType": CREATE_JOB, DEFINITIONS[kind]: self._definition(_without_nulls(definition), scope)}

    def _definition(self, definition: dict[str, Any], scope: Scope) -> dict[str, Any]:
        source = definition.get("sourceJobId")
        if not source or definition.get("jobs"):
            return definition
        name = str(source).removeprefix("azureml:").rstrip("/").rsplit("/", 1)[-1]
        job = self._records.find(scope, name)
        taken = {key: job.properties[key] for key in _INHERITED if job.properties.get(key)}
        given = {key: value for key, value in definition.items() if value not in ("", {}, [])}
        # The SDK sends no experiment as an empty one, and the service keeps it: the runs are in that of the schedule.
        given |= {_EXPERIMENT: definition[_EXPERIMENT]} if _EXPERIMENT in definition else {}
        return {**taken, **given}

    async def _start(self, key: str, moment: datetime) -> None:
        resource = self.store.get(key)
        if resource is not None:
            await self._submit(resource, moment)

    async def _submit(self, resource: Resource, moment: datetime) -> str:
        path = job_path(parse_resource_path(resource.id).scope, self.clock.identifier())
        definition = job_of(resource.properties["action"])
        made = {
            **definition,
            "displayName": f"{resource.name}-{moment.astimezone(UTC).strftime(_TIME_FORMAT)}",
            _EXPERIMENT: definition.get(_EXPERIMENT) or resource.name,
        }
        await self._jobs.put(kind_of(JOB_KIND), path, {"properties": made})
        return path.name

    async def _trigger(self, resource: Resource, body: dict[str, Any]) -> dict[str, str]:
        if not resource.properties.get("isEnabled"):
            raise BadRequest(f"The schedule '{resource.name}' is disabled: enable it first.", code="UserError")
        given = body.get("scheduleTime") or self.clock.timestamp()
        try:
            moment = datetime.fromisoformat(str(given))
        except ValueError:
            raise BadRequest(f"scheduleTime is '{given}'; it must be ISO 8601.", target="scheduleTime") from None
        return {
            "scheduleActionType": resource.properties["action"]["actionType"],
            "submissionId": await self._submit(resource, moment),
        }


def _created(resource: Resource) -> datetime:
    return datetime.fromisoformat(resource.document["systemData"]["createdAt"])


def _as_shown(trigger: Any) -> Any:
    """The trigger as Azure shows it: with a capitalised frequency and days of the week."""
    if not isinstance(trigger, dict) or not isinstance(trigger.get("frequency"), str):
        return trigger
    shown = {**trigger, "frequency": trigger["frequency"].capitalize()}
    pattern = trigger.get("schedule")
    if isinstance(pattern, dict) and isinstance(pattern.get("weekDays"), list):
        shown["schedule"] = {**pattern, "weekDays": [str(day).capitalize() for day in pattern["weekDays"]]}
    return shown


def _without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}
