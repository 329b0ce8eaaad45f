"""Records what a rollout does: each step in the audit log, and a summary on the model version.

The first record is written before anything is done: a rollout that cannot be recorded does not begin. The others are
written on a thread of their own, in order: traffic never waits for them, and failed writes are reported at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from azure.ai.ml import MLClient
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError, HttpResponseError

from mlops.audit.announcement import announce
from mlops.audit.log import AuditLog, anchor_tag
from mlops.audit.record import BY_HAND, IMAGE, Event, Record, of_model, sets_live_model
from mlops.azure.errors import explain
from mlops.cli.progress import say
from mlops.core.errors import MlopsError, RolloutFailed
from mlops.endpoint.view import FULL, TAG_OUTCOME, View, live_in
from mlops.rollout.decide import (
    Action,
    Begin,
    Create,
    CreateEndpoint,
    EnterPhase,
    Finish,
    Halt,
    RollBack,
    expected_traffic,
)
from mlops.rollout.plan import Plan
from mlops.settings.project import Stage

_LONGEST_TAG = 256
# Answers that a retry does not change; not those of a busy or failing service.
_REFUSALS = range(HTTPStatus.BAD_REQUEST, HTTPStatus.TOO_MANY_REQUESTS)
_UNKNOWN = 0
# A rollout that an earlier process left is continued.
RESUMED = "resume"
# The evidence key of the deployment that lost traffic.
LEFT = "from"


class AuditWriter:
    """The records of one rollout. `close` it at the end."""

    def __init__(self, workspace: MLClient, models: MLClient, stage: str, place: Stage, plan: Plan) -> None:
        self._workspace = workspace
        self._models = models
        self._stage = stage
        self._place = place
        self._plan = plan
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit")
        self._written: list[Future[Any]] = []
        self._newest: Record | None = None
        self._begun: Action | None = None

    def begin(self, action: Action, view: View) -> None:
        """Record what this process is about to do first, unless it takes traffic back, which never waits.

        Raises RolloutFailed if that cannot be recorded.
        """
        event = None if isinstance(action, RollBack | Halt) else event_of(action, view, self._plan, self._stage)
        if self._begun is not None or event is None:
            return
        if view.in_progress is not None:
            event = event.model_copy(update={"step": RESUMED, "verdict": "none", "traffic": dict(view.traffic)})
        try:
            self._append(event)
        except (HttpResponseError, MlException, MlopsError) as error:
            if isinstance(error, HttpResponseError) and (error.status_code or _UNKNOWN) not in _REFUSALS:
                # As for any other call, the rollout tries again.
                raise
            raise RolloutFailed(
                f"{self._plan.model} {self._plan.version} is not rolled out to {self._stage}: it cannot be recorded "
                f"in the audit log ({_said(error)})",
                f"Nothing was changed. `mlops history --stage {self._stage}` shows the log.",
            ) from error
        self._begun = action

    def catch_up(self, view: View) -> None:
        """Record what a rollback could not: the endpoint, and not the log, says what is live."""
        try:
            log = AuditLog(self._workspace)
            records, _ = log.read()
            event = unrecorded_change(view, records, self._plan, self._stage)
            if event is not None:
                self._append(event)
        except (AzureError, MlException, MlopsError) as error:
            say(f"the audit log cannot be completed: {_said(error)}")

    def note(self, action: Action, view: View) -> None:
        """Queue a record of an action that was carried out on `view`, unless it was recorded before."""
        event = event_of(action, view, self._plan, self._stage)
        if event is None or (action == self._begun and view.in_progress is None):
            return
        self._written.append(self._writer.submit(self._append, event))
        brief = _brief(action)
        if brief:
            self._written.append(self._writer.submit(self._tag_model, brief))

    def close(self) -> tuple[str, ...]:
        """Wait until everything is written; report, and return, why something could not be."""
        self._writer.shutdown(wait=True)
        failed = []
        for future in self._written:
            error = future.exception()
            if error is None:
                continue
            if not isinstance(error, AzureError | MlException | MlopsError):
                raise error
            failed.append(_said(error))
            say(f"not in the audit log: {failed[-1]}")
        return tuple(failed)

    def _append(self, event: Event) -> None:
        self._newest = AuditLog(self._workspace).append(event)
        announce(self._place, self._newest)

    def _tag_model(self, brief: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        model = self._models.models.get(self._plan.model, self._plan.version)
        anchor = anchor_tag(self._workspace, self._stage, self._newest) if self._newest else {}
        model.tags = {**(model.tags or {}), f"stage_{self._stage}": f"{now} {brief}"[:_LONGEST_TAG], **anchor}
        self._models.models.create_or_update(model)


def _said(error: BaseException) -> str:
    explained = error if isinstance(error, MlopsError) else explain(error) if isinstance(error, Exception) else None
    return explained.message if explained else str(error)


def unrecorded_change(view: View, records: Sequence[Record], plan: Plan, stage: str) -> Event | None:
    """The record of a change of the live model that nobody could write when it happened; None if there is none.

    A rollback moves traffic first, and may find the log closed; or somebody changed the endpoint by hand.
    """
    live = live_in(view)
    events = (record.event for record in of_model(records, plan.model))
    last = next((event for event in reversed([*events]) if sets_live_model(event)), None)
    if live is None or live.obstacle or last is None or last.digest == live.digest:
        return None
    return Event(
        kind="rollback",
        stage=stage,
        step=BY_HAND,
        model=plan.model,
        version=live.version,
        digest=live.digest,
        target=live.deployment,
        reason=f"recorded later: {view.tags.get(TAG_OUTCOME) or 'the endpoint was changed by hand'}",
        traffic=dict(view.traffic),
        evidence={LEFT: f"version {last.version}, {last.digest}"},
    )


def event_of(action: Action, view: View, plan: Plan, stage: str) -> Event | None:
    """The audit event of an action; None for actions that change nothing."""
    progress = view.in_progress
    origin = progress.origin if progress else view.live
    facts = Event(
        kind="rollout",
        stage=stage,
        step="endpoint",
        model=plan.model,
        version=plan.version,
        digest=plan.digest,
        origin=origin,
        target=progress.to if progress else None,
        reason=action.reason,
        traffic=dict(view.traffic),
    )
    match action:
        case CreateEndpoint():
            return facts
        case Begin(to=to):
            without = {each.phase: f"skipped: {each.reason}" for each in plan.skipped_phases}
            return facts.model_copy(update={"step": "begin", "target": to, "evidence": without})
        case Create():
            return facts.model_copy(update={"step": "create"})
        case EnterPhase(phase=phase, to=to, origin=source):
            traffic = expected_traffic(phase, to, source)
            return facts.model_copy(update={"step": phase, "verdict": "passed", "traffic": traffic})
        case Finish():
            ran = {IMAGE: plan.image} if plan.image else {}
            return facts.model_copy(update={"step": "finish", "verdict": "passed", "evidence": ran})
        case RollBack(to=to, cleared=cleared):
            moved = {"target": to, "origin": progress.to if progress else None, "traffic": {to: FULL} if to else {}}
            step = "tidy up" if cleared else progress.phase if progress else "back"
            return facts.model_copy(update=moved | {"kind": "rollback", "step": step, "verdict": "failed"})
        case Halt():
            return facts.model_copy(update={"step": "halt", "verdict": "failed"})
        case _:
            return None


def _brief(action: Action) -> str:
    match action:
        case Finish(to=to):
            return f"released as {to}: {action.reason}"
        case RollBack(cleared=False):
            return f"rolled back: {action.reason}"
        case _:
            return ""
