"""From a trigger to a training job, once: the cause is looked up, the training permitted and recorded, then submitted.

A trigger is an event, a verdict of `mlops monitor --json`, or STAGE/RECORD. Anybody can write one, so it is only a
reference: what it refers to in the audit log is believed, and nothing else of it. The job's name is derived from the
cause: a command that was killed finds its job when it is run again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from azure.ai.ml import MLClient
from azure.core.exceptions import ResourceNotFoundError
from pydantic import BaseModel, ConfigDict, ValidationError

from mlops.audit.announcement import DRIFT_FOUND, Announcement
from mlops.audit.log import AuditLog
from mlops.audit.record import Event, Record, of_model
from mlops.audit.retraining_policy import (
    BEGUN,
    CAUSE,
    CAUSE_RECORD,
    DATA,
    DATA_DESCRIPTION,
    JOB,
    RETRAINING,
    NotBegun,
    begun_for,
    rate_limit_reason,
    rejection_reason,
)
from mlops.azure.workspace import WorkspaceClients
from mlops.cli.progress import say
from mlops.core.errors import InputError, WorkspaceError
from mlops.endpoint.view import Live, live_model
from mlops.githost.hosts import event_payload
from mlops.models.registered import fetch_package, read_provenance, read_schema
from mlops.retraining.training_data import TrainingData, training_data
from mlops.settings.policies import RETRAINING_FILE, RetrainingRules, read_retraining_rules
from mlops.settings.stages import StageName
from mlops.training.run import submit_training

_HASH_CHARACTERS: Final = slice(7, 19)
_STAGE_AND_RECORD: Final = re.compile(r"(\w+)/([1-9]\d{0,8})")
_LARGEST_BYTES: Final = 1_000_000
_ADVICE: Final = (
    "Pass an event of the stage's topic, the output of `mlops monitor --json`, or STAGE/RECORD, as in prod/17."
)


@dataclass(frozen=True)
class TriggerReference:
    """A record of a stage's audit log; with its hash where the trigger states it."""

    stage: StageName
    record: int
    hash: str | None = None


@dataclass(frozen=True)
class Begun:
    """A retraining: its job, its cause, the number of its record in the training stage's log, and what its data are."""

    job: str
    cause: Record
    record: int
    data_description: str = ""


@dataclass(frozen=True)
class RetrainingState:
    """What the decision depends on, read once: the cause, the training stage's records, and what the stage runs."""

    cause: Record
    records: tuple[Record, ...]
    live: Live | None


def read_trigger(given: str) -> TriggerReference:
    """Read a trigger, or the file that it names. Raises InputError."""
    text = given.strip()
    short = _STAGE_AND_RECORD.fullmatch(text)
    if short:
        return TriggerReference(short[1], int(short[2]))
    document = _parsed(text if text.startswith(("{", "[")) else _read(Path(text)))
    # A broker delivers a list of one event.
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    document = event_payload(document)
    try:
        if isinstance(document, dict) and "audit" in document:
            verdict = _Verdict.model_validate(document)
            return TriggerReference(verdict.stage, verdict.audit.record)
        event = Announcement.model_validate(document)
    except ValidationError as error:
        first: Any = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InputError(f"not a valid trigger: {path}: {first['msg']}", _ADVICE) from error
    if event.type != DRIFT_FOUND:
        raise InputError(f"an event {event.type} starts no retraining, only {DRIFT_FOUND} does", _ADVICE)
    return TriggerReference(event.data.stage, event.data.record, event.id)


def begin(clients: WorkspaceClients, trigger: TriggerReference, now: datetime) -> Begun | NotBegun:
    """Submit the training that a cause asks for, if one may start; one that it started before continues.

    Raises InputError for a trigger without a record, WorkspaceError where a log cannot be trusted.
    """
    project = clients.project
    rules = read_retraining_rules(project.path(RETRAINING_FILE), project.order)
    log = AuditLog(clients.training)
    state = _read_state(clients, log, trigger)
    before = begun_for(state.records, state.cause)
    if before is None:
        found = _permitted(clients, rules, state, log, now)
        if isinstance(found, NotBegun):
            return found
        before = found
    else:
        say(f"record {before.number} of {project.order.training}: this cause started a training before; it continues")
    facts = before.event.evidence
    job = facts[JOB]
    if not _is_there(clients.training, job):
        is_new = DATA_DESCRIPTION in facts
        submit_training(clients.training, project, project.order.training, facts[DATA], job, is_new_data=is_new)
    return Begun(job, state.cause, before.number, facts.get(DATA_DESCRIPTION, ""))


def refusal(state: RetrainingState, rules: RetrainingRules, now: datetime) -> str | None:
    """Return why no training may start; None when one may. No I/O."""
    return (
        rejection_reason(state.cause, rules, now)
        or _superseded_reason(state)
        or rate_limit_reason(state.records, rules, now)
    )


def _superseded_reason(state: RetrainingState) -> str | None:
    """Return why a cause is out of date; None while the model that it is about still runs."""
    event, live = state.cause.event, state.live
    if live is not None and live.digest == event.digest:
        return None
    runs = f"version {live.version}" if live else "nothing"
    return f"{event.stage} runs {runs} by now, and the drift was found in version {event.version}"


def _read_state(clients: WorkspaceClients, log: AuditLog, trigger: TriggerReference) -> RetrainingState:
    cause = _look_up(clients, trigger)
    stage = clients.project.order.find(cause.event.stage)
    live = live_model(clients.stage(stage), clients.project.settings.stage(stage))
    records = of_model(log.read()[0], clients.project.settings.model)
    return RetrainingState(cause, records, live)


def _look_up(clients: WorkspaceClients, trigger: TriggerReference) -> Record:
    """Return the record that is referred to, from a log that was not tampered with."""
    records, breaks = AuditLog(clients.stage(trigger.stage)).read()
    if breaks:
        raise WorkspaceError(
            f"the audit log of {trigger.stage} cannot be trusted: record {breaks[0].number} {breaks[0].reason}",
            f"Find out who changed it before anything is trained: `mlops history --stage {trigger.stage}`.",
        )
    found = next((each for each in records if each.number == trigger.record), None)
    if found is None or trigger.hash not in {None, found.hash()}:
        raise InputError(
            f"there is no record {trigger.record} of this trigger in the audit log of {trigger.stage}",
            f"Pass a record of this project's own monitor: `mlops history --stage {trigger.stage}` lists them.",
        )
    return found


def _permitted(
    clients: WorkspaceClients, rules: RetrainingRules, state: RetrainingState, log: AuditLog, now: datetime
) -> Record | NotBegun:
    """Record the start of a training, if one may start; of two at the same time only one is recorded."""
    # Decided before rows are copied, and once more when the start is recorded.
    refused = refusal(state, rules, now)
    if refused:
        return NotBegun(refused)
    project, cause = clients.project, state.cause
    happened = cause.event
    package, _ = fetch_package(
        clients.models(project.order.find(happened.stage)), project, happened.model, happened.version
    )
    data = training_data(clients, rules.data, cause, read_schema(package))
    if isinstance(data, NotBegun):
        return data
    if read_provenance(package).data.sha256 == data.version.sha256:
        runs = f"version {happened.version}, which runs in {happened.stage}"
        return NotBegun(f"there is no newer data: {runs}, was trained on {data.version.name}:{data.version.version}")
    job = f"{project.settings.name}-retrain-{cause.hash()[_HASH_CHARACTERS]}"
    limits: list[str | None] = []

    def may(records: Sequence[Record]) -> bool:
        limits[:] = [rate_limit_reason(records, rules, now)]
        return limits[0] is None and begun_for(records, cause) is None

    record = log.append_if(begun_event(cause, project.order.training, job, data), may)
    if record is not None:
        return record
    # Another run started with the same cause a moment ago, or the budget is spent.
    same = begun_for(log.read()[0], cause)
    return same or NotBegun(limits[0] or "another training started at the same time")


def begun_event(cause: Record, training: StageName, job: str, data: TrainingData) -> Event:
    """Return the record of a training that starts: the cause's reason and evidence, the job, and the data."""
    happened, used = cause.event, data.version.version
    facts = {CAUSE: cause.hash(), CAUSE_RECORD: f"{happened.stage}/{cause.number}", JOB: job, DATA: used}
    if data.data_description:
        facts[DATA_DESCRIPTION] = data.data_description
    return Event(
        kind=RETRAINING,
        stage=training,
        step=BEGUN,
        model=happened.model,
        version=happened.version,
        digest=happened.digest,
        origin=happened.stage,
        reason=happened.reason,
        evidence=happened.evidence | facts,
    )


def _is_there(client: MLClient, job: str) -> bool:
    try:
        client.jobs.get(job)
    except ResourceNotFoundError:
        return False
    return True


class _Audit(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    record: int


class _Verdict(BaseModel):
    """What a trigger needs of a verdict of `mlops monitor --json`."""

    model_config = ConfigDict(extra="ignore", strict=True)
    stage: StageName
    audit: _Audit


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as stream:
            return stream.read(_LARGEST_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(file)[:200]} cannot be read: {error}", _ADVICE) from error


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"not valid JSON: {error}", _ADVICE) from error
