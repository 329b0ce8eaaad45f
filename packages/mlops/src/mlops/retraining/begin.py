"""From a reference to a training job, once: the cause is looked up, the training allowed and recorded, then submitted.

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
from mlops.azure.workspace import WorkspaceClients
from mlops.cli.progress import say
from mlops.core.errors import InputError, WorkspaceError
from mlops.endpoint.view import Live, live_model
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


@dataclass(frozen=True)
class RetrainingState:
    """What a retraining is decided on, read once: its cause, the training stage's records, and what the stage runs."""

    cause: Record
    records: tuple[Record, ...]
    live: Live | None


def begin(clients: WorkspaceClients, trigger: TriggerReference, now: datetime) -> Begun | NotBegun:
    """Submit the training that a cause asks for, unless it may not be; what it began before goes on.

    Raises InputError for a reference to nothing, WorkspaceError where a log cannot be trusted.
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
        say(f"record {before.number} of {project.order.training}: this has begun a training before; it goes on")
    facts = before.event.evidence
    job = facts[JOB]
    if not _is_there(clients.training, job):
        is_new = DATA_DESCRIPTION in facts
        submit_training(clients.training, project, project.order.training, facts[DATA], job, is_new_data=is_new)
    return Begun(job, state.cause, before.number, facts.get(DATA_DESCRIPTION, ""))


def refusal(state: RetrainingState, rules: RetrainingRules, now: datetime) -> str | None:
    """Why no training may begin; None when one may. Pure."""
    return (
        rejection_reason(state.cause, rules, now)
        or _superseded_reason(state)
        or rate_limit_reason(state.records, rules, now)
    )


def _superseded_reason(state: RetrainingState) -> str | None:
    """Why a cause is over; None while the model that it is about still runs."""
    event, live = state.cause.event, state.live
    if live is not None and live.digest == event.digest:
        return None
    runs = f"version {live.version}" if live else "nothing"
    return f"{event.stage} runs {runs} by now; that was found of version {event.version}"


def _read_state(clients: WorkspaceClients, log: AuditLog, trigger: TriggerReference) -> RetrainingState:
    cause = _look_up(clients, trigger)
    stage = clients.project.order.find(cause.event.stage)
    live = live_model(clients.stage(stage), clients.project.settings.stage(stage))
    return RetrainingState(cause, log.read()[0], live)


def _look_up(clients: WorkspaceClients, trigger: TriggerReference) -> Record:
    """The record that is referred to, from a log that holds."""
    records, breaks = AuditLog(clients.stage(trigger.stage)).read()
    if breaks:
        raise WorkspaceError(
            f"the audit log of {trigger.stage} does not hold: record {breaks[0].number} {breaks[0].reason}",
            f"Nothing is trained because of a log that cannot be trusted: `mlops history --stage {trigger.stage}`.",
        )
    found = next((each for each in records if each.number == trigger.record), None)
    if found is None or trigger.hash not in {None, found.hash()}:
        raise InputError(
            f"there is no such record {trigger.record} in the audit log of {trigger.stage}",
            "The event is not from this project's monitor, or of another workspace; nothing was begun.",
        )
    return found


def _permitted(
    clients: WorkspaceClients, rules: RetrainingRules, state: RetrainingState, log: AuditLog, now: datetime
) -> Record | NotBegun:
    """Record that a training begins, if one may: of two at once only one is recorded."""
    # Decided before rows are copied, and once more when the beginning is recorded.
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
        return NotBegun(f"there are no newer data: {runs}, was trained on {data.version.name}:{data.version.version}")
    job = f"{project.settings.name}-retrain-{cause.hash()[_HASH_CHARACTERS]}"
    limits: list[str | None] = []

    def may(records: Sequence[Record]) -> bool:
        limits[:] = [rate_limit_reason(records, rules, now)]
        return limits[0] is None and begun_for(records, cause) is None

    record = log.append_if(begun_event(cause, project.order.training, job, data), may)
    if record is not None:
        return record
    # Another run began with the same cause a moment ago, or the budget is spent.
    same = begun_for(log.read()[0], cause)
    return same or NotBegun(limits[0] or "another training began at the same time")


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


def _is_there(client: MLClient, job: str) -> bool:
    try:
        client.jobs.get(job)
    except ResourceNotFoundError:
        return False
    return True
