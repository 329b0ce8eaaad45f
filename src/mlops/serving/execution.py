"""Carries out one action on a stage's endpoint; every action can be repeated. Decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from azure.ai.ml import MLClient
from azure.core.exceptions import HttpResponseError

from mlops.azure_errors import service_message
from mlops.errors import RolloutFailed
from mlops.progress import say
from mlops.project import Project, Stage
from mlops.quiet import quiet
from mlops.serving.deployment_files import load_deployment, load_endpoint
from mlops.serving.log_excerpt import log_excerpt
from mlops.serving.observation import address_of, observe
from mlops.serving.rollout_decision import Action, CreateEndpoint, Deploy, Done, SendTraffic, SmokeTest, Wait
from mlops.serving.rollout_view import ALL_TRAFFIC, IN_PROGRESS, Plan, View
from mlops.serving.smoke_test import smoke_test
from mlops.waiting import looks

_LOG_LINES: Final = 300


@dataclass(frozen=True)
class Target:
    """Where a rollout happens, and with what."""

    client: MLClient
    project: Project
    stage: Stage
    plan: Plan
    package: Path


def execute(action: Action, view: View, target: Target) -> None:
    """Do what the action says and wait until it is done. Raises RolloutFailed."""
    match action:
        case CreateEndpoint():
            _create_endpoint(target)
        case Wait(deployment=deployment):
            _wait_for(target, deployment)
        case Deploy(deployment=deployment):
            _deploy(target, deployment)
        case SmokeTest(deployment=deployment):
            address = address_of(target.client, target.stage.endpoint, view.scoring_uri)
            smoke_test(address, deployment, target.package)
        case SendTraffic(deployment=deployment):
            _send_traffic(target, deployment)
        case Done():
            pass


def _create_endpoint(target: Target) -> None:
    endpoint = load_endpoint(target.project, target.stage)
    try:
        with quiet():
            target.client.online_endpoints.begin_create_or_update(endpoint).result()
    except HttpResponseError as error:
        raise RolloutFailed(f"endpoint {target.stage.endpoint} was not created: {service_message(error)}") from error


def _deploy(target: Target, name: str) -> None:
    deployment = load_deployment(target.project, target.stage, name, target.plan)
    try:
        with quiet():
            target.client.online_deployments.begin_create_or_update(deployment).result()
    except HttpResponseError as error:
        raise RolloutFailed(
            f"deployment {name} of {target.stage.endpoint} did not come up; traffic stays where it is",
            "Correct what the log says and run `mlops deploy` again.",
            (service_message(error).splitlines()[0], *_why(target, name)),
        ) from error


def _send_traffic(target: Target, name: str) -> None:
    endpoint = target.client.online_endpoints.get(target.stage.endpoint)
    endpoint.traffic = {name: ALL_TRAFFIC}
    try:
        with quiet():
            target.client.online_endpoints.begin_create_or_update(endpoint).result()
    except HttpResponseError as error:
        raise RolloutFailed(f"the traffic was not moved to {name}: {service_message(error)}") from error


def _wait_for(target: Target, deployment: str | None) -> None:
    for _ in looks():
        view = observe(target.client, target.stage.endpoint)
        seen = view.deployment(deployment) if deployment else None
        state = seen.state if seen else view.endpoint_state
        if state not in IN_PROGRESS:
            return


def _why(target: Target, name: str) -> tuple[str, ...]:
    """What the deployment's own log says."""
    try:
        log = target.client.online_deployments.get_logs(name, target.stage.endpoint, _LOG_LINES)
    except HttpResponseError as error:
        # The reason of the failure is known already; a missing log must not hide it.
        say(f"no log of {name}: {service_message(error)}")
        return ()
    return log_excerpt(log)
