"""The settings of one stage: what may be switched, in which ranges, with which defaults.

What single values may be stands in fields.py; what may not go together stands in combinations.py.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from settings.combinations import refuse
from settings.fields import (
    Email,
    FirstOfMonth,
    Frozen,
    Guid,
    HostName,
    HttpsAddress,
    KubernetesName,
    Location,
    MachineSize,
    NodeCount,
    Percent,
    PrivateRange,
    ProjectName,
    PublicRange,
    StageName,
)

RUNBOOKS = "docs/observability.md"


class Azure(Frozen):
    """Where a stack lives. Read from the provider's own keys, so that program and provider cannot disagree."""

    subscription_id: Guid
    tenant_id: Guid
    location: Location


class Network(Frozen):
    """Who can reach the stage, and whose network its machines stand in."""

    access: Literal["public", "private"]
    isolation: Literal["none", "own", "workspace_managed"] = "none"
    address_space: PrivateRange | None = None
    package_downloads: bool = False
    """Whether training may reach package indexes on the internet (port 443), or only Azure's services."""
    agents: Literal["virtual_machines", "github", "azure_devops"] = "virtual_machines"
    """Whose build agents the subnet for agents is delegated to."""


class Cluster(Frozen):
    """A compute cluster for training; it costs nothing while it has no nodes."""

    size: MachineSize
    max_nodes: NodeCount
    min_nodes: NodeCount = 0
    idle_minutes: Annotated[int, Field(ge=2, le=60)] = 5
    low_priority: bool = False


class InferenceTls(Frozen):
    """The certificate that scoring on Kubernetes answers with."""

    host_name: HostName
    secret_name: KubernetesName
    """A Kubernetes TLS secret in the namespace `azureml`."""


class Kubernetes(Frozen):
    """The AKS cluster that serves."""

    system_size: MachineSize = "Standard_D4ds_v5"
    system_nodes: Annotated[int, Field(ge=2, le=10)] = 2
    """Azure ML asks for at least two system nodes with four virtual CPUs each."""
    node_size: MachineSize = "Standard_D4ds_v5"
    min_nodes: NodeCount = 0
    max_nodes: NodeCount = 3
    namespace: KubernetesName = "scoring"
    authorised_ranges: tuple[PublicRange, ...] = ()
    """Who may reach the control plane of a public cluster."""
    service_range: PrivateRange = "172.16.0.0/16"
    tls: InferenceTls | None = None
    attach: bool = True
    """False while the cluster does not hold the TLS secret yet: the cluster is made, the extension waits."""
    watched: bool = False
    """Whether Azure's managed Prometheus reads what the pods count, and alerts on it."""
    grafana: bool = False
    """Whether a managed Grafana shows that; it is billed by the hour, and by user."""


class Budget(Frozen):
    """What the stage may cost a month, in the currency of the subscription's bill."""

    amount: Annotated[int, Field(ge=1)]
    start: FirstOfMonth
    notify_at_percent: tuple[Percent, ...] = (50, 80, 100)


class Alerts(Frozen):
    """Who is told, and when."""

    receivers: tuple[Email, ...] = Field(min_length=1)
    endpoint_exists: bool = False
    """True once the first deployment has made the managed endpoint: Azure refuses rules about what does not exist."""
    latency_p95_milliseconds: Annotated[int, Field(ge=1)] = 500
    failed_requests_per_minute: Annotated[int, Field(ge=0)] = 1
    failed_jobs_per_hour: Annotated[int, Field(ge=0)] = 0
    score_drift: Annotated[float, Field(gt=0)] = 0.25
    """Stability index between the scores of six hours and training's; as releases/monitor.yml says. Kubernetes only."""
    runbooks: HttpsAddress | None = None
    """Where people read docs/observability.md; without it, in the repository that `ci.github` names."""


class People(Frozen):
    """Entra groups, by object id. None: nobody of that kind."""

    data_scientists: Guid | None = None
    operators: Guid | None = None
    auditors: Guid | None = None


class GitHub(Frozen):
    """Which GitHub environment may act as the stage's CI identity."""

    organisation: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")
    repository: str = Field(pattern=r"^[\w.-]+$")
    subject: Literal["names", "immutable"] = "names"
    """`immutable` for repositories made or renamed since 15 July 2026: their tokens carry the ids as well."""
    organisation_id: int | None = None
    repository_id: int | None = None


class AzureDevOps(Frozen):
    """Which service connection may act as the stage's CI identity; its page shows both values."""

    issuer: HttpsAddress
    subject: str = Field(min_length=3)


class Ci(Frozen):
    """Who may act as the stage's CI identity. Nothing is stored anywhere: tokens are federated."""

    github: GitHub | None = None
    azure_devops: AzureDevOps | None = None


class OnGitHub(Frozen):
    """The repository of `ci.github` is sent `drift-found`, by a token that a person puts into the handler's vault."""

    secret: str = Field(default="github-token", pattern=r"^[A-Za-z0-9-]{1,127}$")


class OnAzureDevOps(Frozen):
    """The pipeline that is run, by the handler's own identity: nothing is stored."""

    organisation: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")
    project: str = Field(pattern=r"^\w[\w.-]{0,63}$")
    pipeline: Annotated[int, Field(ge=1)]
    """The number in the address of its page (`definitionId`)."""
    branch: str = Field(default="main", pattern=r"^\w[\w./-]*$")


class OnDrift(Frozen):
    """Who is asked to train when drift is found that newer data would mend: neither, one or both."""

    github: OnGitHub | None = None
    azure_devops: OnAzureDevOps | None = None

    @property
    def asks(self) -> bool:
        """Whether anybody is asked, so that there is a handler."""
        return self.github is not None or self.azure_devops is not None


class SharedRegistry(Frozen):
    """The registry that the shared stack makes, and what this stage may do there."""

    subscription_id: Guid
    location: Location
    access: Literal["reader", "user"]
    """`user` publishes models, `reader` only deploys them."""


class StageSettings(Frozen):
    """Everything about one stage."""

    kind: Literal["stage"]
    project: ProjectName
    stage: StageName
    azure: Azure
    network: Network
    serving: Literal["managed", "kubernetes"]
    kubernetes: Kubernetes | None = None
    cpu_cluster: Cluster
    gpu_cluster: Cluster | None = None
    budget: Budget
    alerts: Alerts
    people: People = People()
    ci: Ci = Ci()
    on_drift: OnDrift = OnDrift()
    registry: SharedRegistry
    audit_days: Annotated[int, Field(ge=1, le=146_000)] = 365
    """How long what the audit container holds can neither be changed nor deleted."""

    @model_validator(mode="after")
    def _together(self) -> StageSettings:
        refuse(self)
        return self

    @property
    def strict(self) -> bool:
        """Whether the full property checklist holds: everywhere but in dev."""
        return self.stage != "dev"

    @property
    def runbooks(self) -> str:
        """The page that says what to do when an alert fires. Raises ValueError where none is named."""
        if self.alerts.runbooks is not None:
            return self.alerts.runbooks
        if self.ci.github is None:
            raise ValueError("alerts.runbooks is missing")
        return f"https://github.com/{self.ci.github.organisation}/{self.ci.github.repository}/blob/main/{RUNBOOKS}"

    @property
    def private(self) -> bool:
        """Whether the stage is reachable from its own network only."""
        return self.network.access == "private"
