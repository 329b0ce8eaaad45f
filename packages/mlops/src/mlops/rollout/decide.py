"""Decides a rollout's next action: ordered guards over the observed state, each returning one Action with its reason.

Pure: no I/O, no clock of its own. Every Action that changes traffic changes the tags with it, in one call.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mlops.azure.service_health import Outcome, Verdict
from mlops.endpoint.view import FULL, Progress, View
from mlops.rollout.plan import CREATE, LOAD, MIRROR, SMOKE, Plan, phase_title, step_of


@dataclass(frozen=True)
class Action:
    """Something to do, and why."""

    reason: str


@dataclass(frozen=True)
class CreateEndpoint(Action):
    """Create the endpoint."""


@dataclass(frozen=True)
class Begin(Action):
    """Record in the tags that a rollout to `to` has begun, from `origin` (None for a first release)."""

    to: str
    origin: str | None


@dataclass(frozen=True)
class Create(Action):
    """Create the deployment `to` of the plan's model. `replaces`: delete the existing one, without traffic, first."""

    to: str
    attempt: str
    replaces: bool


@dataclass(frozen=True)
class Wait(Action):
    """Check again after a while."""


@dataclass(frozen=True)
class Verify(Action):
    """Run the test of a phase against `to`: golden requests in smoke, a load test in load."""

    phase: str
    to: str


@dataclass(frozen=True)
class EnterPhase(Action):
    """Enter a phase: its traffic, its mirror and its tag, in one call."""

    phase: str
    to: str
    origin: str | None


@dataclass(frozen=True)
class RollBack(Action):
    """All traffic to `to` (None: to no deployment), no mirror, and the end of the rollout with its reason, in one call.

    `cleared`: this only cleans up after another rollout, so that the plan can begin. `is_timing`: something took too
    long, or could not be measured in time.
    """

    to: str | None
    cleared: bool = False
    is_timing: bool = False


@dataclass(frozen=True)
class Finish(Action):
    """The release is live: remove the rollout from the tags. The old deployment stays, without traffic."""

    to: str


@dataclass(frozen=True)
class Done(Action):
    """Nothing is left to do."""


@dataclass(frozen=True)
class Halt(Action):
    """Any action could make things worse: a person must decide."""


@dataclass(frozen=True)
class Evidence:
    """Evidence besides the View: the test result of the current phase, the service level, a request to stop.

    `proof` is the outcome of smoke or load in the current phase, `service` that of the monitored
    deployments since the phase began; None is "not known yet". `stop` is the reason of an interruption,
    `pending` the state of an incomplete test.
    """

    proof: Verdict | None = None
    service: Verdict | None = None
    stop: str | None = None
    pending: str = ""


def next_action(view: View, plan: Plan, evidence: Evidence, now: datetime) -> Action:
    """Decide what to do next. The order of the guards is the policy."""
    progress = view.in_progress
    if not view.exists:
        return CreateEndpoint("there is no endpoint yet")
    if view.busy:
        return Wait("the endpoint is being updated")
    if progress is None:
        return _start(view, plan, evidence)
    if evidence.stop is not None:
        return _roll_back(view, progress, evidence.stop)
    if progress.content != plan.content:
        return _clean_up(view, progress, f"a rollout of {progress.content} was left unfinished")
    if progress.phase not in _phases(plan, progress):
        return _clean_up(view, progress, f"the plan no longer has a phase '{progress.phase}'")
    if progress.phase == CREATE:
        return _create(view, plan, progress, now)
    deployment = view.deployments.get(progress.to)
    if deployment is None or not deployment.ready or deployment.content != plan.content:
        return _roll_back(view, progress, f"deployment {progress.to} is no longer the one that was rolled out")
    if progress.phase in {SMOKE, LOAD}:
        return _verify(view, plan, progress, evidence, now)
    return _watch(view, plan, progress, evidence, now)


def _start(view: View, plan: Plan, evidence: Evidence) -> Action:
    live = view.live
    if live is not None and _serves_alone(view, live) and _runs(view, live, plan):
        return Done(f"{live} already serves {plan.model} {plan.version} at {FULL} %")
    if evidence.stop is not None:
        return Done(f"nothing was started: {evidence.stop}")
    if live is not None and not _serves_alone(view, live):
        return _repair(view, live)
    return Begin(f"{view.idle} is free; {live or 'nothing'} is live", view.idle, live)


def _repair(view: View, live: str) -> Action:
    """Traffic is split without a rollout: someone changed it by hand. Do not build on that."""
    deployment = view.deployments.get(live)
    if deployment is None or not deployment.ready:
        return Halt(f"traffic is split, and {live}, which has most of it, is not healthy")
    return RollBack("traffic was split or mirrored without a rollout", live, cleared=True)


def _create(view: View, plan: Plan, progress: Progress, now: datetime) -> Action:
    to = progress.to
    deployment = view.deployments.get(to)
    waited = (now - progress.since).total_seconds()
    if deployment is not None and deployment.busy:
        if waited > plan.progress_deadline_seconds:
            late = f"{to} was not ready within {plan.progress_deadline_seconds:.0f} s"
            return _roll_back(view, progress, late, is_timing=True)
        return Wait(f"deployment {to} is {deployment.state}")
    if deployment is not None and deployment.content == plan.content:
        if deployment.ready:
            return _enter_next(plan, progress, f"deployment {to} is ready")
        if deployment.attempt == progress.attempt:
            return _roll_back(view, progress, f"deployment {to} failed to start")
    if view.traffic.get(to) or view.mirror.get(to):
        return _roll_back(view, progress, f"{to} has traffic before its rollout: someone changed it")
    return Create(f"{to} will run {plan.model} {plan.version}", to, progress.attempt, deployment is not None)


def _verify(view: View, plan: Plan, progress: Progress, evidence: Evidence, now: datetime) -> Action:
    proof = evidence.proof
    if proof is None:
        elapsed = (now - progress.since).total_seconds()
        what = f"{phase_title(progress.phase)} of {progress.to}"
        so_far = f" ({evidence.pending})" if evidence.pending else ""
        if elapsed > plan.progress_deadline_seconds + plan.load_seconds:
            return _roll_back(view, progress, f"{what} had no result after {elapsed:.0f} s{so_far}", is_timing=True)
        return Verify(f"{what}{so_far}", progress.phase, progress.to)
    if proof.outcome is Outcome.passed:
        return _enter_next(plan, progress, f"{phase_title(progress.phase)} passed: {proof.reason}")
    failed = f"{phase_title(progress.phase)} failed: {proof.reason}"
    return _roll_back(view, progress, failed, is_timing=proof.is_timing)


def _watch(view: View, plan: Plan, progress: Progress, evidence: Evidence, now: datetime) -> Action:
    service, phase = evidence.service, phase_title(progress.phase)
    elapsed = (now - progress.since).total_seconds()
    if service is not None and service.outcome is Outcome.breached:
        return _roll_back(view, progress, f"SLO not met with {phase}: {service.reason}", is_timing=service.is_timing)
    if not _as_entered(view, plan, progress):
        return _roll_back(view, progress, f"the endpoint no longer has {phase}: someone changed it")
    if elapsed < plan.soak_seconds:
        return Wait(f"{phase}: soaking for another {plan.soak_seconds - elapsed:.0f} s")
    if service is not None and service.outcome is Outcome.passed:
        return _enter_next(plan, progress, f"SLO met with {phase}: {service.reason}")
    if elapsed > plan.progress_deadline_seconds:
        why = service.reason if service else "no metrics"
        late = f"{phase}: no evidence after {elapsed:.0f} s ({why})"
        return _roll_back(view, progress, late, is_timing=True)
    return Wait(f"{phase}: {service.reason if service else 'no metrics yet'}")


def _enter_next(plan: Plan, progress: Progress, reason: str) -> Action:
    phases = _phases(plan, progress)
    following = phases[phases.index(progress.phase) + 1 :]
    if not following:
        return Finish(reason, progress.to)
    return EnterPhase(reason, following[0], progress.to, progress.origin)


def _clean_up(view: View, progress: Progress, reason: str) -> Action:
    """Roll back another rollout; if its origin is gone and it has all traffic, it counts as finished."""
    new, old = view.deployments.get(progress.to), view.deployments.get(progress.origin or "")
    whole = new is not None and new.ready and new.content == progress.content and _serves_alone(view, progress.to)
    if whole and progress.origin is not None and (old is None or not old.ready):
        why = f"{reason}; {progress.to} has all traffic and {progress.origin} is not healthy: it counts as finished"
        return RollBack(why, progress.to, cleared=True)
    return _roll_back(view, progress, reason, cleared=True)


def _roll_back(
    view: View, progress: Progress, reason: str, *, cleared: bool = False, is_timing: bool = False
) -> Action:
    """Traffic returns only to a healthy deployment; if the new one is the only healthy one, it stays."""
    origin = progress.origin
    if origin is None:
        return RollBack(f"{reason}; there was no live deployment to return to", None, cleared, is_timing)
    deployment = view.deployments.get(origin)
    if deployment is not None and deployment.ready:
        return RollBack(reason, origin, cleared, is_timing)
    return Halt(f"{reason}; but {origin} is not healthy, so traffic was not moved")


def _phases(plan: Plan, progress: Progress) -> tuple[str, ...]:
    return plan.phases(champion=progress.origin is not None)


def expected_traffic(phase: str, to: str, origin: str | None) -> dict[str, int]:
    """The traffic split in a phase: percentages that sum to 100, or nothing before a first release is live."""
    share = step_of(phase) or 0
    if origin is None:
        return {to: FULL} if share else {}
    return {origin: FULL - share, to: share} if share else {origin: FULL}


def expected_mirror(plan: Plan, phase: str, to: str) -> dict[str, int]:
    """The mirrored share in a phase."""
    return {to: plan.mirror_percentage} if phase == MIRROR else {}


def _as_entered(view: View, plan: Plan, progress: Progress) -> bool:
    traffic = {name: share for name, share in view.traffic.items() if share}
    mirror = {name: share for name, share in view.mirror.items() if share}
    wanted = expected_traffic(progress.phase, progress.to, progress.origin)
    same_traffic = traffic == {name: share for name, share in wanted.items() if share}
    return same_traffic and mirror == expected_mirror(plan, progress.phase, progress.to)


def _serves_alone(view: View, name: str) -> bool:
    return view.traffic.get(name) == FULL and not any(view.mirror.values())


def _runs(view: View, name: str, plan: Plan) -> bool:
    deployment = view.deployments.get(name)
    return deployment is not None and deployment.ready and deployment.content == plan.content
