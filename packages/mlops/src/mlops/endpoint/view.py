"""The current state of an endpoint: deployments, traffic, mirror and tags as frozen values, read in two calls; and
which deployment is live.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from azure.ai.ml import MLClient
from azure.ai.ml.entities import BatchDeployment, OnlineDeployment
from azure.core.exceptions import ResourceNotFoundError

from mlops.azure.workspace import WorkspaceClients
from mlops.core.errors import InputError
from mlops.endpoint.client import address_of
from mlops.endpoint.scoring import smoke_test
from mlops.models.facts import Subject, subject_of_package
from mlops.models.registered import ModelVersion, package_of_model
from mlops.settings.project import Stage
from mlops.settings.stages import StageName

COLOURS = ("blue", "green")
FULL = 100

# Tags of one deployment: what it runs.
DIGEST_TAG = "model_digest"
CONFIGURATION_TAG = "configuration"
VERSION_TAG = "model_version"
ATTEMPT_TAG = "rollout_attempt"

# Tags of the endpoint: the state of its rollout.
TAG_PHASE = "rollout-phase"
TAG_TO = "rollout-to"
TAG_FROM = "rollout-from"
TAG_REVISION = "rollout-content"
TAG_SINCE = "rollout-since"
TAG_ATTEMPT = "rollout-attempt"
TAG_OWNER = "rollout-owner"
TAG_LEASE = "rollout-lease-until"
TAG_OUTCOME = "rollout-outcome"
# The previously live deployment, kept for an instant rollback.
TAG_BEFORE = "rollout-before"
ROLLOUT_TAGS = (
    TAG_PHASE,
    TAG_TO,
    TAG_FROM,
    TAG_REVISION,
    TAG_ATTEMPT,
    TAG_SINCE,
    TAG_OWNER,
    TAG_LEASE,
    TAG_OUTCOME,
    TAG_BEFORE,
)
NOBODY = "none"

READY = "Succeeded"
FAILED = ("Failed", "Canceled")
BUSY = ("Creating", "Updating", "Scaling", "Deleting")


def revision_of(digest: str, configuration: str) -> str:
    """The identity of a deployment: the digest of its model package, and the fingerprint of everything else."""
    return f"{digest}+{configuration}" if configuration else digest


@dataclass(frozen=True)
class Deployment:
    """One deployment: what it runs, its provisioning state, and the rollout (its start) that created it."""

    name: str
    model_version: str
    digest: str
    state: str
    configuration: str = ""
    attempt: str = ""

    @property
    def content(self) -> str:
        """Model and configuration as one text."""
        return revision_of(self.digest, self.configuration)

    @property
    def ready(self) -> bool:
        """Whether it can take traffic, as far as the control plane knows."""
        return self.state == READY

    @property
    def failed(self) -> bool:
        """Whether provisioning failed."""
        return self.state in FAILED

    @property
    def busy(self) -> bool:
        """Whether an operation on it is running."""
        return self.state in BUSY


@dataclass(frozen=True)
class View:
    """An endpoint at one point in time. `traffic` and `mirror` map deployment names to percentages.

    If `exists` is false, everything else is empty.
    """

    deployments: Mapping[str, Deployment] = field(default_factory=lambda: MappingProxyType({}))
    traffic: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    mirror: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    exists: bool = True
    state: str = READY
    scoring_uri: str = ""
    identifier: str = ""

    @property
    def busy(self) -> bool:
        """Whether an operation on the endpoint itself is running."""
        return self.state in BUSY

    @property
    def shares(self) -> dict[str, int]:
        """Percent of the live traffic for every deployment, including 0."""
        return {name: self.traffic.get(name, 0) for name in sorted(self.deployments)}

    @property
    def live(self) -> str | None:
        """The deployment with the most traffic; None if nothing serves."""
        serving = {name: share for name, share in self.traffic.items() if share > 0}
        return max(serving, key=lambda name: (serving[name], name)) if serving else None

    @property
    def idle(self) -> str:
        """The colour for a new release: one without traffic, preferably one without a working deployment."""
        without = [colour for colour in COLOURS if not self.traffic.get(colour)]
        free = [colour for colour in without if colour not in self.deployments or self.deployments[colour].failed]
        return (free or without or [COLOURS[0]])[0]

    @property
    def before(self) -> str | None:
        """The deployment that was live before this one or before the current rollout; None if unknown.

        Any other deployment without traffic may be one that a rollout rolled back: never return to that.
        """
        progress = self.in_progress
        name = progress.origin if progress else self.tags.get(TAG_BEFORE)
        return name if name in self.deployments else None

    @property
    def in_progress(self) -> Progress | None:
        """The rollout that the tags describe; None if there is none, or it has ended."""
        phase = self.tags.get(TAG_PHASE)
        if phase is None or TAG_TO not in self.tags:
            return None
        origin = self.tags.get(TAG_FROM, NOBODY)
        return Progress(
            phase=phase,
            to=self.tags[TAG_TO],
            origin=None if origin == NOBODY else origin,
            content=self.tags.get(TAG_REVISION, ""),
            since=datetime.fromisoformat(self.tags[TAG_SINCE]),
            attempt=self.tags.get(TAG_ATTEMPT, ""),
        )


@dataclass(frozen=True)
class Progress:
    """A rollout in progress: its phase and since when, its source and target deployments, and its content."""

    phase: str
    to: str
    origin: str | None
    content: str
    since: datetime
    attempt: str = ""


def observe_stage(client: MLClient, stage: Stage) -> View:
    """The current state of what a stage runs: of its online endpoint, or of its batch endpoint without one."""
    return observe(client, stage.endpoint) if stage.endpoint else observe_batch(client, stage.main_endpoint)


def observe_batch(client: MLClient, endpoint_name: str) -> View:
    """The current state of a batch endpoint: its default deployment has all the traffic."""
    try:
        endpoint = client.batch_endpoints.get(endpoint_name)
        deployments = list(client.batch_deployments.list(endpoint_name))
    except ResourceNotFoundError:
        return View(exists=False)
    default = getattr(endpoint.defaults, "deployment_name", None)
    return View(
        deployments={str(one.name): _deployment(one) for one in deployments},
        traffic={default: FULL} if default else {},
        tags=dict(endpoint.tags or {}),
        state=str(endpoint.provisioning_state or ""),
        identifier=endpoint.id or "",
    )


def observe(client: MLClient, endpoint_name: str) -> View:
    """The current state of an online endpoint and its deployments."""
    try:
        endpoint = client.online_endpoints.get(endpoint_name)
        deployments = list(client.online_deployments.list(endpoint_name))
    except ResourceNotFoundError:
        return View(exists=False)
    return View(
        deployments={str(one.name): _deployment(one) for one in deployments},
        traffic={name: int(share) for name, share in (endpoint.traffic or {}).items()},
        mirror={name: int(share) for name, share in (endpoint.mirror_traffic or {}).items()},
        tags=dict(endpoint.tags or {}),
        state=str(getattr(endpoint.provisioning_state, "value", endpoint.provisioning_state) or ""),
        scoring_uri=endpoint.scoring_uri or "",
        identifier=endpoint.id or "",
    )


def _deployment(deployment: OnlineDeployment | BatchDeployment) -> Deployment:
    tags = deployment.tags or {}
    variables = getattr(deployment, "environment_variables", None) or {}
    return Deployment(
        name=str(deployment.name),
        # The SDK returns an enum whose str() is not the value.
        state=str(getattr(deployment.provisioning_state, "value", deployment.provisioning_state) or ""),
        model_version=tags.get(VERSION_TAG) or variables.get("MODEL_VERSION", ""),
        digest=tags.get(DIGEST_TAG) or variables.get("MODEL_DIGEST", ""),
        configuration=tags.get(CONFIGURATION_TAG, ""),
        attempt=tags.get(ATTEMPT_TAG, ""),
    )


@dataclass(frozen=True)
class Live:
    """The model behind a stage's endpoint, whose ARM id is `identifier`.

    `obstacle` says why it does not count as settled there, None if it does.
    """

    deployment: str
    version: str
    digest: str
    scoring_uri: str
    identifier: str
    obstacle: str | None = None


def live_model(client: MLClient, stage: Stage) -> Live | None:
    """The deployment with most of a stage's traffic; None if none has any."""
    return live_in(observe_stage(client, stage))


def live_in(view: View) -> Live | None:
    """The deployment with most of an endpoint's traffic; None if none has any. Pure."""
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
    """Why the live deployment does not count as settled; None if it does. Pure."""
    deployment = view.deployments[live]
    if view.in_progress is not None:
        return f"a rollout to {view.in_progress.to} is in progress, or was left unfinished"
    if view.traffic.get(live) != FULL:
        return f"{live} has {view.traffic.get(live, 0)} % of the traffic, not all of it"
    if not deployment.ready:
        return f"{live} is {deployment.state}"
    if not deployment.digest or not deployment.model_version:
        return f"{live} does not say which model it runs: it was not deployed by `mlops`"
    return None


def prove_live(client: MLClient, stage: Stage, live: Live, package: Path) -> None:
    """Send the golden requests of its package to the live deployment. Raises RolloutFailed at a wrong answer.

    A batch deployment was given them before it became the default, and does not change: another job would show no more.
    """
    if stage.endpoint is not None:
        smoke_test(address_of(client, stage.endpoint, live.scoring_uri), live.deployment, package)


def live_package(clients: WorkspaceClients, stage: StageName) -> tuple[Subject, Path]:
    """The model that a stage runs, and its package. Raises InputError where there is none."""
    project = clients.project
    live = live_model(clients.stage(stage), project.settings.stage(stage))
    if live is None:
        raise InputError(f"{stage} runs no model yet", f"Deploy: `mlops deploy --stage {stage}`.")
    model = ModelVersion(project.settings.model, live.version, live.digest)
    package = package_of_model(clients.models(stage), project, model)
    return subject_of_package(model, package), package
