"""What a stage runs live, read from its endpoint; the only place where promotions look at deployments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azure.ai.ml import MLClient

from mlops.project import Stage
from mlops.serving.observation import address_of, observe
from mlops.serving.rollout_view import ALL_TRAFFIC, SUCCEEDED
from mlops.serving.smoke_test import smoke_test


@dataclass(frozen=True)
class Live:
    """The model behind a stage's endpoint; `obstacle` says why it does not count as settled there, "" for none."""

    deployment: str
    version: str
    digest: str
    scoring_uri: str
    obstacle: str = ""


def live_model(client: MLClient, stage: Stage) -> Live | None:
    """What has most of the traffic of a stage; None when nothing has any."""
    view = observe(client, stage.endpoint)
    live = view.live
    if live is None:
        return None
    obstacle = ""
    if live.traffic != ALL_TRAFFIC:
        obstacle = f"{live.name} has {live.traffic} % of the traffic: a rollout is under way or was left unfinished"
    elif live.state != SUCCEEDED:
        obstacle = f"{live.name} is {live.state}"
    elif not live.digest or not live.model_version:
        obstacle = f"{live.name} does not say which model it runs: it was not deployed by `mlops`"
    return Live(live.name, live.model_version, live.digest, view.scoring_uri, obstacle)


def prove_live(client: MLClient, stage: Stage, live: Live, package: Path) -> None:
    """Ask the live deployment the golden questions of its package. Raises RolloutFailed at a wrong answer."""
    smoke_test(address_of(client, stage.endpoint, live.scoring_uri), live.deployment, package)
