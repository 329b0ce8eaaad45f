"""From a pointer to a training job: the cause is looked up, permission is asked and noted, the job submitted; once.

The job's name follows from the cause: a command that was killed finds its job when it is run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from azure.ai.ml import MLClient
from azure.core.exceptions import ResourceNotFoundError

from mlops.audit.log import AuditLog
from mlops.audit.record import Event, Record
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
from mlops.azure.clients import WorkspaceClients
from mlops.cli.progress import say
from mlops.core.errors import InputError, WorkspaceError
from mlops.endpoint.current_deployment import live_model
from mlops.models.origin import read_provenance, read_schema
from mlops.models.package_store import fetch_package
from mlops.retraining.training_data import TrainingData, training_data
from mlops.retraining.trigger import TriggerReference
from mlops.settings.retraining import RETRAINING_FILE, RetrainingRules, read_retraining_rules
from mlops.settings.stages import StageName
from mlops.training.run import submit_training

_HASH_CHARACTERS: Final = slice(7, 19)


@dataclass(frozen=True)
class Begun:
    """A retraining: its job, its cause, the number of its record in the training stage's log, and its data's origin."""

    job: str
    cause: Record
    record: int
    data_description: str = ""


def begin(clients: WorkspaceClients, pointer: TriggerReference, now: datetime) -> Begun | NotBegun:
    """Submit the training that a cause asks for, unless it may not be; what it began before goes on.

    Raises InputError for a pointer to nothing, WorkspaceError where a log cannot be trusted.
    """
    project = clients.project
    rules = read_retraining_rules(project.path(RETRAINING_FILE), project.order)
    cause = _look_up(clients, pointer)
    log = AuditLog(clients.training)
    before = begun_for(log.read()[0], cause)
    if before is None:
        found = _permitted(clients, rules, cause, log, now)
        if isinstance(found, NotBegun):
            return found
        before = found
    else:
        say(f"record {before.number} of {project.order.training}: this has begun a training before; it goes on")
    facts = before.event.evidence
    job = facts[JOB]
    if not _is_there(clients.training, job):
        is_new = DATA_DESCRIPTION in facts
        submit_training(clients.training, project, project.order.training, facts[DATA], job, is_new_data=is_new)
    return Begun(job, cause, before.number, facts.get(DATA_DESCRIPTION, ""))


def _look_up(clients: WorkspaceClients, pointer: TriggerReference) -> Record:
    """What a pointer points to, from a log that holds."""
    records, breaks = AuditLog(clients.stage(pointer.stage)).read()
    if breaks:
        raise WorkspaceError(
            f"the audit log of {pointer.stage} does not hold: record {breaks[0].number} {breaks[0].reason}",
            f"Nothing is trained because of a log that cannot be trusted: `mlops history --stage {pointer.stage}`.",
        )
    found = next((each for each in records if each.number == pointer.record), None)
    if found is None or pointer.hash not in {None, found.hash()}:
        raise InputError(
            f"there is no such record {pointer.record} in the audit log of {pointer.stage}",
            "The event is not from this project's monitor, or of another workspace; nothing was begun.",
        )
    return found


def _permitted(
    clients: WorkspaceClients, rules: RetrainingRules, cause: Record, log: AuditLog, now: datetime
) -> Record | NotBegun:
    """Note that a training begins, if one may: of two at once only one is noted."""
    # Asked before rows are moved, and once more when the beginning is noted.
    objection = (
        rejection_reason(cause, rules, now)
        or _superseded_reason(clients, cause)
        or rate_limit_reason(log.read()[0], rules, now)
    )
    if objection:
        return NotBegun(objection)
    project, happened = clients.project, cause.event
    stage = project.order.find(happened.stage)
    package, _ = fetch_package(clients.models(stage), project, happened.model, happened.version)
    data = training_data(clients, rules.data, cause, read_schema(package))
    if isinstance(data, NotBegun):
        return data
    if read_provenance(package).data.sha256 == data.version.sha256:
        runs = f"version {happened.version}, which runs in {happened.stage}"
        return NotBegun(f"there are no newer data: {runs}, was trained on {data.version.name}:{data.version.version}")
    job = f"{project.settings.name}-retrain-{cause.hash()[_HASH_CHARACTERS]}"
    event = begun_event(cause, project.order.training, job, data)
    refused: list[str] = []

    def may(records: Sequence[Record]) -> bool:
        refused[:] = [rate_limit_reason(records, rules, now)]
        return not refused[0] and begun_for(records, cause) is None

    record = log.append_if(event, may)
    if record is not None:
        return record
    # Somebody else began with the same cause a moment ago, or the budget is spent.
    same = begun_for(log.read()[0], cause)
    return same or NotBegun(refused[0])


def begun_event(cause: Record, training: StageName, job: str, data: TrainingData) -> Event:
    """The record of a training that begins: the cause's reason and evidence, the job, the data and their origin."""
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


def _superseded_reason(clients: WorkspaceClients, cause: Record) -> str:
    """Why a cause is over; "" when the model that it is about still runs."""
    event = cause.event
    stage = clients.project.order.find(event.stage)
    live = live_model(clients.stage(stage), clients.project.settings.stage(stage))
    if live is not None and live.digest == event.digest:
        return ""
    runs = f"version {live.version}" if live else "nothing"
    return f"{event.stage} runs {runs} by now; that was found of version {event.version}"


def _is_there(client: MLClient, job: str) -> bool:
    try:
        client.jobs.get(job)
    except ResourceNotFoundError:
        return False
    return True
