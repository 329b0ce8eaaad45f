"""Runs a rollout from the endpoint's current state to its end: observe, decide, report why, execute, repeat.

To resume, run again. However it ends, traffic is where it was or where it should go; a lost connection is waited
for, and then counts as a breach.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

from mlops.azure.errors import explain
from mlops.cli.progress import say
from mlops.core.errors import MlopsError, ProjectError, RolloutFailed
from mlops.core.programs import machine_load
from mlops.core.waiting import SHORTEST_PAUSE_SECONDS, Stop, pause_after
from mlops.endpoint.view import FULL, View, observe
from mlops.rollout.audit_writer import AuditWriter
from mlops.rollout.decide import (
    Action,
    Begin,
    Create,
    CreateEndpoint,
    Done,
    EnterPhase,
    Finish,
    Halt,
    RollBack,
    Verify,
    Wait,
    expected_traffic,
    next_action,
)
from mlops.rollout.evidence import EvidenceCollector
from mlops.rollout.execute import Executor, refusal
from mlops.rollout.lease import held_by_another, lease_in, new_owner
from mlops.rollout.load import inconclusive
from mlops.rollout.plan import MIRROR, Plan, Target, step_of
from mlops.rollout.rollback import revert_advice

LONGEST_PAUSE_SECONDS: Final = 5.0
_FIGURES_EVERY_SECONDS: Final = 5.0
# Answers of the service that a retry may change.
_TRANSIENT: Final = frozenset(
    {
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_AGAIN: Final = "It is safe to run the command again: it continues from the endpoint's current state."
_PASSED: Final = "✓"
_FAILED: Final = "✗"
# After this many times the progress deadline without a connection, nothing can be done from here.
_GIVE_UP: Final = 2


@dataclass(frozen=True)
class Step:
    """An action that was carried out, when, and the traffic that it left."""

    time: datetime
    action: Action
    traffic: dict[str, int]


@dataclass(frozen=True)
class Outcome:
    """How it ended: the last observed endpoint, and the actions that led there."""

    view: View
    actions: tuple[Action, ...]


class Rollout:
    """One run of a rollout."""

    def __init__(self, target: Target, stop: Stop, audit_writer: AuditWriter, *, take_over: bool = False) -> None:
        self._target = target
        self._stop = stop
        self._audit_writer = audit_writer
        self._take_over = take_over
        self._executor = Executor(target, new_owner())
        self._gatherer = EvidenceCollector(target)
        self.steps: list[Step] = []
        self._holds = False
        self._ending: Action | None = None
        self._lost_since: float | None = None
        self._refused: str | None = None
        self._waits_since = time.monotonic()
        self._speaker = ProgressReporter(target.plan)
        self._deadline = time.monotonic() + target.plan.longest_seconds

    def run(self) -> Outcome:
        """Run until done. Raises RolloutFailed, Interrupted, Terminated or WorkspaceError otherwise."""
        try:
            while True:
                view = self._step()
                if view is not None:
                    return Outcome(view, tuple(step.action for step in self.steps))
        finally:
            self._gatherer.close()

    def _step(self) -> View | None:
        """One round; returns the view once there is nothing left to do."""
        try:
            view = observe(self._target.client, self._target.stage.online_endpoint)
            if not self._may_act(view):
                return None
            now = datetime.now(UTC)
            evidence = self._gatherer.evidence(view, self._stop_reason(), now)
            action = next_action(view, self._target.plan, evidence, now)
            self._speaker.tell(action, view)
            self._act(action, view)
        except (HttpResponseError, ServiceRequestError, ServiceResponseError, MlException, ProjectError) as error:
            self._fail(error)
            return None
        self._lost_since = None
        return self._after(action, view)

    def _may_act(self, view: View) -> bool:
        """Whether the lease is ours, or not needed yet. Raises RolloutFailed if another rollout holds it."""
        now = datetime.now(UTC)
        lease = lease_in(view.tags)
        if self._holds and (lease is None or lease.owner != self._executor.owner):
            return self._lease_lost(view)
        other = held_by_another(view.tags, self._executor.owner, now)
        if other is not None and not self._take_over:
            raise refusal(self._target.stage.online_endpoint, other.owner, other.until)
        if view.in_progress is None:
            return True
        if not self._holds or lease is None or lease.due(now):
            self._executor.hold(view, take_over=self._take_over)
            # Taken over only once: if another rollout takes it from us now, it keeps it.
            self._holds, self._take_over = True, False
            return False
        return True

    def _lease_lost(self, view: View) -> bool:
        """Our lease is gone: because our last call succeeded but its answer was lost, or because of another rollout."""
        ending, self._ending = self._ending, None
        if ending is None or lease_in(view.tags) is not None:
            raise RolloutFailed(
                f"the rollout of {self._target.stage.online_endpoint} was ended or taken over elsewhere",
                "Nothing else was changed from here. `mlops status` and `mlops history` show what happened.",
            )
        self._holds = False
        self._after(ending, view)
        return False

    def _act(self, action: Action, view: View) -> None:
        match action:
            case Wait():
                self._wait()
            case Verify():
                self._gatherer.prove(action, view)
                self._wait()
            case Done() | Halt():
                pass
            case _:
                self._audit_writer.begin(action, view)
                self._ending = action if isinstance(action, RollBack | Finish) else None
                self._executor.execute(action, view)
                self._waits_since = time.monotonic()
                self._holds = not isinstance(action, RollBack | Finish | CreateEndpoint)

    def _after(self, action: Action, view: View) -> View | None:
        match action:
            case Done():
                return self._ended(action, view)
            case Wait() | Verify():
                return None
        self.steps.append(Step(datetime.now(UTC), action, _traffic_after(action, view)))
        self._audit_writer.note(action, view)
        match action:
            case RollBack(cleared=False):
                raise self._failure(action, view)
            case Halt():
                advice = "`mlops status` shows what runs; make one deployment healthy, then run again."
                raise RolloutFailed(f"{self._target.stage.online_endpoint}: {action.reason}", advice)
        return None

    def _ended(self, action: Done, view: View) -> View:
        """The view if the plan's content is live; being stopped before anything was started is not a success."""
        plan, live = self._target.plan, view.deployments.get(view.live or "")
        if live is not None and live.content == plan.content:
            return view
        message = f"{plan.model} {plan.version} is not released to {self._target.stage_name}: {action.reason}. "
        message += f"Traffic is unchanged: {_shares(view)}"
        if self._stop.reason is not None:
            raise self._stop.error(message, _AGAIN)
        raise RolloutFailed(message, _AGAIN)

    def _stop_reason(self) -> str | None:
        if self._stop.reason is not None:
            return self._stop.reason
        if self._refused is not None:
            return self._refused
        if self._lost_for() > self._target.plan.progress_deadline_seconds:
            return f"nothing could be done for {self._lost_for():.0f} s"
        if time.monotonic() > self._deadline:
            return f"it did not finish within {self._target.plan.longest_seconds:.0f} s"
        return None

    def _lost_for(self) -> float:
        return 0.0 if self._lost_since is None else time.monotonic() - self._lost_since

    def _fail(self, error: Exception) -> None:
        """Remember a failed call, to retry it or to roll back. Raises it if neither helps."""
        explained = explain(error)
        message = explained.message if explained else str(error)
        status = error.status_code if isinstance(error, HttpResponseError) else None
        lost = isinstance(error, HttpResponseError | ServiceRequestError | ServiceResponseError)
        if lost and (status is None or status in _TRANSIENT):
            self._lost_since = self._lost_since or time.monotonic()
            if self._lost_for() > _GIVE_UP * self._target.plan.progress_deadline_seconds:
                raise error
            busy = status == HTTPStatus.CONFLICT
            what = "the endpoint is being updated" if busy else "the workspace did not answer as expected"
            say(f"{what} ({message}); trying again")
            self._stop.pause(pause_after(self._lost_for()))
            return
        if self._refused is not None:
            # The rollback was refused as well.
            raise error
        self._refused = message

    def _wait(self) -> None:
        """Wait in proportion to the elapsed time, but stop waiting at a breach."""
        pause = min(LONGEST_PAUSE_SECONDS, pause_after(time.monotonic() - self._waits_since))
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0 and not self._gatherer.breaks():
            self._stop.pause(min(left, SHORTEST_PAUSE_SECONDS))

    def _failure(self, action: RollBack, view: View) -> MlopsError:
        plan, progress = self._target.plan, view.in_progress
        to = view.deployments.get(progress.to) if progress else None
        details = self._executor.why(to.name) if to is not None and not to.ready else ()
        message = (
            f"{plan.model} {plan.version} is not released to {self._target.stage_name}: {action.reason}. "
            f"Callers are unaffected: {_serving(action.to)}"
        )
        advice = revert_advice(self._target.project, self._target.stage_name, plan.version)
        if self._stop.reason is not None:
            return self._stop.error(message, f"{_AGAIN} {advice}".rstrip())
        error = RolloutFailed(message, advice, details)
        error.is_timing = action.is_timing or time.monotonic() > self._deadline
        load = machine_load()
        if error.is_timing and load.is_busy and not self._gatherer.is_measured_elsewhere:
            return inconclusive(error, load, f"mlops deploy --stage {self._target.stage_name}")
        return error


def _traffic_after(action: Action, view: View) -> dict[str, int]:
    match action:
        case EnterPhase(phase=phase, to=to, origin=origin):
            return {**dict.fromkeys(view.deployments, 0), **expected_traffic(phase, to, origin)}
        case RollBack(to=to):
            return {**dict.fromkeys(view.deployments, 0), **({to: FULL} if to else {})}
        case _:
            return dict(view.shares)


def _serving(live: str | None) -> str:
    return f"all traffic is with {live}" if live else "nothing is live"


def _shares(view: View) -> str:
    return _listed(view.shares) or "no deployment"


def _listed(shares: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {share} %" for name, share in shares.items())


class ProgressReporter:
    """Reports progress: every action at once, and now and then what is waited for."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._place: tuple[str, str] | None = None
        self._said_at = 0.0

    def tell(self, action: Action, view: View) -> None:
        """Report an action, unless it repeats the last report of waiting."""
        progress = view.in_progress
        place = (type(action).__name__, progress.phase if progress else "")
        quietly = isinstance(action, Wait | Verify) and place == self._place
        if quietly and time.monotonic() - self._said_at < _FIGURES_EVERY_SECONDS:
            return
        self._place, self._said_at = place, time.monotonic()
        for line in self._lines(action, view):
            say(line)

    def _lines(self, action: Action, view: View) -> tuple[str, ...]:
        model = f"{self._plan.model} {self._plan.version}"
        match action:
            case CreateEndpoint():
                return (f"creating the endpoint: {action.reason}",)
            case Begin(to=to, origin=origin):
                beside = f"beside {origin}, which is live" if origin else "with nothing live before"
                return (f"rolling out {model} as deployment {to}, {beside}",)
            case Create(to=to):
                return (f"creating deployment {to} …",)
            case EnterPhase(phase=phase, to=to, origin=origin):
                shares = expected_traffic(phase, to, origin)
                shifting = (f"shifting traffic: {_listed(shares)}",) if step_of(phase) else ()
                mirroring = (f"mirroring {self._plan.mirror_percentage} % of the requests to {to}",)
                return (f"{_PASSED} {action.reason}", *(mirroring if phase == MIRROR else shifting))
            case Verify():
                return (f"running the {action.reason}",)
            case Wait():
                return (f"  {action.reason}",)
            case Finish(to=to):
                return (f"{_PASSED} {action.reason}", f"{_PASSED} {model} is released: {to} serves all traffic")
            case RollBack(to=to, cleared=cleared):
                verb = "cleaning up" if cleared else "rolling back"
                target = f"all traffic to {to}" if to else "no deployment keeps traffic"
                return (f"{_FAILED} {action.reason}", f"{verb}: {target}; it was {_shares(view)}")
            case Halt():
                return (f"{_FAILED} halted: {action.reason}",)
        return ()
