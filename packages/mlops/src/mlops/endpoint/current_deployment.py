"""What a stage runs live, read from its endpoint; the only place where promotions look at deployments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azure.ai.ml import MLClient

from mlops.endpoint.client import address_of
from mlops.endpoint.smoke_test import smoke_test
from mlops.endpoint.view import FULL, View, observe
from mlops.settings.project import Stage


@dataclass(frozen=True)
class Live:
    """The model behind a stage's endpoint, whose ARM id is `identifier`.

    `obstacle` says why it does not count as settled there, None when it does.
    """

    deployment: str
    version: str
    digest: str
    scoring_uri: str
    identifier: str
    obstacle: str | None = None


def live_model(client: MLClient, stage: Stage) -> Live | None:
    """What has most of the traffic of a stage; None when nothing has any."""
    return live_in(observe(client, stage.endpoint))


def live_in(view: View) -> Live | None:
    """What has most of the traffic of an endpoint; None when nothing has any. Pure."""
    if view.live is None or view.live not in view.deployments:
        return None
    deployment = view.deployments[view.live]
    return Live(
        deployment=deployment.name,
        version=deployment.model_version,
        digest=deployment.digest,
        scoring_uri=view.scoring_uri,
        identifier=view.identifier,
        obstacle=obstacle_to(view, view.live),
    )


def obstacle_to(view: View, live: str) -> str | None:
    """Why what is live does not count as settled; None when it does. Pure."""
    deployment = view.deployments[live]
    if view.in_progress is not None:
        return f"a rollout to {view.in_progress.to} is under way, or was left unfinished"
    if view.traffic.get(live) != FULL:
        return f"{live} has {view.traffic.get(live, 0)} % of the traffic, not all of it"
    if not deployment.ready:
        return f"{live} is {deployment.state}"
    if not deployment.digest or not deployment.model_version:
        return f"{live} does not say which model it runs: it was not deployed by `mlops`"
    return None


def prove_live(client: MLClient, stage: Stage, live: Live, package: Path) -> None:
    """Ask the live deployment the golden questions of its package. Raises RolloutFailed at a wrong answer."""
    smoke_test(address_of(client, stage.endpoint, live.scoring_uri), live.deployment, package)
