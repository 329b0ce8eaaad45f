"""Records what a rollout does: each step in the audit log, and a summary on the model version.

On its own thread, in order: traffic never waits for a record. Failed writes are reported at the end.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from azure.ai.ml import MLClient
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError

from mlops.audit.announcement import announce
from mlops.audit.log import AuditLog
from mlops.audit.record import Event
from mlops.azure.errors import explain
from mlops.cli.progress import say
from mlops.core.errors import MlopsError
from mlops.endpoint.view import FULL, View
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

    def note(self, action: Action, view: View) -> None:
        """Queue a record of an action that was carried out on `view`."""
        event = event_of(action, view, self._plan, self._stage)
        if event is None:
            return
        self._written.append(self._writer.submit(self._append, event))
        brief = _brief(action)
        if brief:
            self._written.append(self._writer.submit(self._tag_model, brief))

    def close(self) -> None:
        """Wait until everything is written, and report failed writes."""
        self._writer.shutdown(wait=True)
        for future in self._written:
            error = future.exception()
            if error is None:
                continue
            if not isinstance(error, AzureError | MlException | MlopsError):
                raise error
            explained = error if isinstance(error, MlopsError) else explain(error)
            say(f"not in the audit log: {explained.message if explained else error}")

    def _append(self, event: Event) -> None:
        announce(self._place, AuditLog(self._workspace).append(event))

    def _tag_model(self, brief: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        model = self._models.models.get(self._plan.model, self._plan.version)
        model.tags = {**(model.tags or {}), f"stage_{self._stage}": f"{now} {brief}"[:_LONGEST_TAG]}
        self._models.models.create_or_update(model)


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
            return facts.model_copy(update={"step": "finish", "verdict": "passed"})
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
