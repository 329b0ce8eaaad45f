"""What to do next with an endpoint: from what is seen to one action, with its reason. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from mlops.serving.rollout_view import ALL_TRAFFIC, BLUE, GREEN, IN_PROGRESS, SUCCEEDED, Plan, View


@dataclass(frozen=True)
class CreateEndpoint:
    """Make the endpoint."""

    reason: str


@dataclass(frozen=True)
class Wait:
    """Wait until somebody else's operation on a deployment has ended; None stands for the endpoint itself."""

    deployment: str | None
    reason: str


@dataclass(frozen=True)
class Deploy:
    """Deploy the plan under this name, without traffic."""

    deployment: str
    reason: str


@dataclass(frozen=True)
class SmokeTest:
    """Ask the deployment the package's golden questions."""

    deployment: str
    reason: str


@dataclass(frozen=True)
class SendTraffic:
    """Send all traffic to the deployment."""

    deployment: str
    reason: str


@dataclass(frozen=True)
class Done:
    """The endpoint runs what is planned."""

    deployment: str
    reason: str


Action = CreateEndpoint | Wait | Deploy | SmokeTest | SendTraffic | Done


def next_action(view: View, plan: Plan, smoke_tested: frozenset[str]) -> Action:
    """The one next step towards the plan. `smoke_tested` names the deployments that passed in this run.

    The live deployment is never changed in place: what is new goes to the other colour.
    """
    if not view.endpoint_exists:
        return CreateEndpoint("there is no endpoint yet")
    if view.endpoint_state in IN_PROGRESS:
        return Wait(None, "the endpoint is being changed")
    live = view.live
    if live and plan.is_run_by(live) and live.state == SUCCEEDED and live.traffic == ALL_TRAFFIC:
        return Done(live.name, f"{live.name} runs this model and configuration with all traffic")
    name = BLUE if live is None or live.name != BLUE else GREEN
    idle = view.deployment(name)
    if idle is None:
        return Deploy(name, f"{name} is free")
    if idle.state in IN_PROGRESS:
        return Wait(name, f"{name} is being changed")
    if not plan.is_run_by(idle) or idle.state != SUCCEEDED:
        return Deploy(name, f"{name} has no traffic and runs something else")
    if name not in smoke_tested:
        return SmokeTest(name, f"{name} is up, but its answers are not compared yet")
    return SendTraffic(name, f"{name} answers as its model package promises")
