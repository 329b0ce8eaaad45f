"""The endpoint as it is: deployments, traffic, mirror and tags as frozen values, observed in two calls; and which
deployment is live.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from azure.ai.ml import MLClient
from azure.ai.ml.entities import OnlineDeployment
from azure.core.exceptions import ResourceNotFoundError

from mlops.endpoint.client import address_of
from mlops.endpoint.scoring import smoke_test
from mlops.settings.project import Stage

COLOURS = ("blue", "green")
FULL = 100

# Tags of one deployment: what it runs.
DIGEST_TAG = "model_digest"
CONFIGURATION_TAG = "configuration"
VERSION_TAG = "model_version"
ATTEMPT_TAG = "rollout_attempt"

# Tags of the endpoint: where its rollout stands.
TAG_PHASE = "rollout-phase"
TAG_TO = "rollout-to"
TAG_FROM = "rollout-from"
TAG_REVISION = "rollout-content"
TAG_SINCE = "rollout-since"
TAG_ATTEMPT = "rollout-attempt"
TAG_OWNER = "rollout-owner"
TAG_LEASE = "rollout-lease-until"
TAG_OUTCOME = "rollout-outcome"
# The deployment that was live before the present one, and is kept for an instant return.
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
    """What a deployment is: the digest of its model package, and the fingerprint of all the rest of it."""
    return f"{digest}+{configuration}" if configuration else digest


@dataclass(frozen=True)
class Deployment:
    """One deployment: what it runs, its provisioning state, and the rollout (its begin) that made it."""

    name: str
    model_version: str
    digest: str
    state: str
    configuration: str = ""
    attempt: str = ""

    @property
    def content(self) -> str:
        """Model and configuration in one text."""
        return revision_of(self.digest, self.configuration)

    @property
    def ready(self) -> bool:
        """Whether it can take traffic, as far as the control plane knows."""
        return self.state == READY

    @property
    def failed(self) -> bool:
        """Whether it did not come up."""
        return self.state in FAILED

    @property
    def busy(self) -> bool:
        """Whether an operation on it goes on."""
        return self.state in BUSY


@dataclass(frozen=True)
class View:
    """An endpoint at one moment. `traffic` and `mirror` map deployment names to percentages.

    Where `exists` is false there is nothing else to see.
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
        """Whether an operation on the endpoint itself goes on."""
        return self.state in BUSY

    @property
    def shares(self) -> dict[str, int]:
        """Percent of the live traffic for every deployment, 0 included."""
        return {name: self.traffic.get(name, 0) for name in sorted(self.deployments)}

    @property
    def live(self) -> str | None:
        """The deployment with the most traffic; None when nothing serves."""
        serving = {name: share for name, share in self.traffic.items() if share > 0}
        return max(serving, key=lambda name: (serving[name], name)) if serving else None

    @property
    def idle(self) -> str:
        """The colour that a new release goes to: one without traffic, the first that nothing works under."""
        without = [colour for colour in COLOURS if not self.traffic.get(colour)]
        free = [colour for colour in without if colour not in self.deployments or self.deployments[colour].failed]
        return (free or without or [COLOURS[0]])[0]

    @property
    def before(self) -> str | None:
        """The deployment that was live before this one or before the rollout under way; None when none is known.

        Another one without traffic may be what a rollout went back from: nobody may return to that.
        """
        progress = self.in_progress
        name = progress.origin if progress else self.tags.get(TAG_BEFORE)
        return name if name in self.deployments else None

    @property
    def in_progress(self) -> Progress | None:
        """The rollout that the tags describe; None when there is none, or when it has ended."""
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
    """A rollout under way: its phase and since when, from which deployment to which, of which content."""

    phase: str
    to: str
    origin: str | None
    content: str
    since: datetime
    attempt: str = ""


def observe(client: MLClient, endpoint_name: str) -> View:
    """The endpoint and its deployments as they are now."""
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


def _deployment(deployment: OnlineDeployment) -> Deployment:
    tags = deployment.tags or {}
    variables = deployment.environment_variables or {}
    return Deployment(
        name=str(deployment.name),
        # The SDK gives an enum whose text in a sentence is not its value.
        state=str(getattr(deployment.provisioning_state, "value", deployment.provisioning_state) or ""),
        model_version=tags.get(VERSION_TAG) or variables.get("MODEL_VERSION", ""),
        digest=tags.get(DIGEST_TAG) or variables.get("MODEL_DIGEST", ""),
        configuration=tags.get(CONFIGURATION_TAG, ""),
        attempt=tags.get(ATTEMPT_TAG, ""),
    )


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
