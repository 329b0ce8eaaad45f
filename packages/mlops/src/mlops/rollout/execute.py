"""Carries out one action of a rollout; every action is idempotent. Decides nothing.

An endpoint changes in one call, traffic, mirror and tags together, and only while no other rollout holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from azure.ai.ml import MLClient
from azure.ai.ml.entities import OnlineEndpoint
from azure.core.exceptions import HttpResponseError
from azure.core.polling import LROPoller

from mlops.azure.errors import service_message
from mlops.azure.sdk_output import suppress_output
from mlops.cli.progress import say
from mlops.core.errors import RolloutFailed
from mlops.endpoint.scoring import log_excerpt
from mlops.endpoint.view import TAG_BEFORE, TAG_OUTCOME, View
from mlops.rollout.decide import Action, Begin, Create, CreateEndpoint
from mlops.rollout.deployment_files import collect_without_sidecar, load_deployment, load_endpoint
from mlops.rollout.lease import (
    LONGEST_TAG,
    Change,
    Lease,
    change_of,
    held_by_another,
    lease_from,
    lease_to_create,
    renewed,
)
from mlops.rollout.plan import CREATE, Target
from mlops.settings.stages import GRANIAN

_LOG_LINES: Final = 300


class Executor:
    """Acts for one owner on one endpoint."""

    def __init__(self, target: Target, owner: str) -> None:
        self.owner = owner
        self._target = target
        self._creating: LROPoller[Any] | None = None

    def execute(self, action: Action, view: View) -> None:
        """Carry out the action. Raises HttpResponseError, and RolloutFailed if another rollout holds the endpoint."""
        match action:
            case CreateEndpoint():
                self._create_endpoint()
            case Create():
                self._create(action)
            case _:
                now = datetime.now(UTC)
                since = now if isinstance(action, Begin) else None
                change = change_of(action, view, self._target.plan, self._lease(since, now), now)
                if change is not None:
                    self._write(change)

    def hold(self, view: View, *, take_over: bool = False) -> None:
        """Acquire or renew the lease; with `take_over` also from its current holder."""
        progress = view.in_progress
        since = progress.since if progress and progress.phase == CREATE else None
        change = renewed(view, self._lease(since, datetime.now(UTC)))
        name = self._target.stage.online_endpoint
        write_change(self._target.client, name, change, None if take_over else self._refuse_another)

    def why(self, deployment: str) -> tuple[str, ...]:
        """What the service and the deployment's own log say about its failure."""
        said = _error_of(self._creating)
        try:
            log = self._target.client.online_deployments.get_logs(
                deployment, self._target.stage.online_endpoint, _LOG_LINES
            )
        except HttpResponseError as error:
            # The reason of the failure is already known; a missing log must not hide it.
            say(f"no log of {deployment}: {service_message(error)}")
            return said
        return (*said, *log_excerpt(log))

    def _lease(self, since: datetime | None, now: datetime) -> Lease:
        """A full lease; `since` is when the creation of a deployment began that is still running."""
        if since is None:
            return lease_from(self.owner, now)
        return lease_to_create(self.owner, since, self._target.plan.progress_deadline_seconds, now)

    def _write(self, change: Change) -> None:
        write_change(self._target.client, self._target.stage.online_endpoint, change, self._refuse_another)

    def _refuse_another(self, endpoint: OnlineEndpoint) -> None:
        other = held_by_another(endpoint.tags or {}, self.owner, datetime.now(UTC))
        if other is not None:
            raise refusal(self._target.stage.online_endpoint, other.owner, other.until)

    def _create_endpoint(self) -> None:
        endpoint = load_endpoint(self._target.project, self._target.stage)
        try:
            with suppress_output():
                self._target.client.online_endpoints.begin_create_or_update(endpoint).result()
        except HttpResponseError as error:
            raise RolloutFailed(
                f"endpoint {self._target.stage.online_endpoint} was not created: {service_message(error)}"
            ) from error

    def _create(self, action: Create) -> None:
        """Start creating the deployment; polling shows whether it is ready."""
        target = self._target
        deployments = target.client.online_deployments
        if action.replaces:
            with suppress_output():
                deployments.begin_delete(name=action.to, endpoint_name=target.stage.online_endpoint).result()
        deployment = load_deployment(target.project, target.stage, action.to, target.plan, target.model, action.attempt)
        if target.project.settings.server == GRANIAN:
            with suppress_output():
                collected = collect_without_sidecar(target.client, target.stage, action.to)
            deployment.environment_variables = {**deployment.environment_variables, **collected}
        with suppress_output():
            self._creating = deployments.begin_create_or_update(deployment)


def write_change(
    client: MLClient, name: str, change: Change, allowed: Callable[[OnlineEndpoint], None] | None = None
) -> None:
    """Write traffic, mirror and tags of an endpoint in one call; `allowed` raises if it must not be written."""
    endpoint = client.online_endpoints.get(name)
    if allowed is not None:
        allowed(endpoint)
    endpoint.traffic = dict(change.traffic)
    endpoint.mirror_traffic = dict(change.mirror)
    endpoint.tags = dict(change.tags)
    with suppress_output():
        client.online_endpoints.begin_create_or_update(endpoint).result()


def write_default(client: MLClient, name: str, deployment: str, outcome: str) -> bool:
    """Make a deployment of a batch endpoint its default, and note the one before; False if it is already."""
    endpoint = client.batch_endpoints.get(name)
    before = getattr(endpoint.defaults, "deployment_name", None)
    if before == deployment:
        return False
    noted = {TAG_BEFORE: before} if before else {}
    tags = {key: value for key, value in (endpoint.tags or {}).items() if key not in (TAG_BEFORE, TAG_OUTCOME)}
    endpoint.tags = {**tags, **noted, TAG_OUTCOME: outcome[:LONGEST_TAG]}
    endpoint.defaults = {"deployment_name": deployment}
    with suppress_output():
        client.batch_endpoints.begin_create_or_update(endpoint).result()
    return True


def refusal(endpoint: str, owner: str, until: datetime) -> RolloutFailed:
    """The error while another rollout is running."""
    return RolloutFailed(
        f"another rollout of {endpoint} is in progress: {owner} holds its lease until {until:%H:%M:%S} UTC",
        "Wait until it ends. If you know that it has crashed: `mlops deploy --take-over`.",
    )


def _error_of(poller: LROPoller[Any] | None) -> tuple[str, ...]:
    if poller is None or not poller.done():
        return ()
    try:
        poller.result()
    except HttpResponseError as error:
        return (service_message(error).splitlines()[0],)
    return ()
