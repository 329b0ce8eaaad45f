"""The settings of one stage: what can be switched, in which ranges, with which defaults.

The types of single values are in fields.py; which combinations are refused is in stage_checks.py.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from settings.fields import (
    Email,
    Format,
    Frozen,
    Guid,
    HostName,
    HttpsAddress,
    KubernetesName,
    Location,
    MachineSize,
    NodeCount,
    Percent,
    PrivateAddress,
    PrivateRange,
    ProjectName,
    PublicRange,
    StageName,
)
from settings.platform import (
    CustomerManagedKey,
    DnsZoneId,
    ExistingNetwork,
    Hub,
    Logs,
    MaintenanceWindow,
    Naming,
    ResourceGroupId,
    Tags,
)
from settings.project import ProjectStages

RUNBOOKS = "docs/observability.md"
DISK_GIGABYTES = 128  # of a node of the cluster, on its local disk
PODS_PER_NODE = 50
NODE_SUBNET = 22  # the prefix length of the subnet of the cluster's nodes
SPARE_SYSTEM_NODES = 2


class Azure(Frozen):
    """Where a stack is deployed. Read from the provider's own keys, so that program and provider cannot disagree."""

    subscription_id: Guid
    tenant_id: Guid
    location: Location


class Network(Frozen):
    """Who can reach the stage, and which network its machines are in."""

    access: Literal["public", "private"]
    """`private`: from its own network only, and from what is peered with it."""
    isolation: Literal["none", "own", "workspace_managed"] = "none"
    """Whose network the machines join: none, one of the stage's own, or the one that Azure ML manages."""
    address_space: PrivateRange | None = None
    """The network's range, a /16 to /21; the subnets are cut from it."""
    package_downloads: bool = False
    """Whether training may reach package indexes on the internet (port 443), or only Azure's services."""
    package_feed: HttpsAddress | None = None
    """A private package index in the network, which the files in environments/ name: images can be built from it."""
    agents: Literal["virtual_machines", "github", "azure_devops"] = "virtual_machines"
    """The service that the subnet for build agents is delegated to, or virtual machines of your own."""
    existing: ExistingNetwork | None = None
    """A network that another team owns, instead of one of the stage's own; `address_space` is its range."""
    dns_zones: Literal["created", "by_policy"] | ResourceGroupId = "created"
    """The resource group of central private DNS zones; `by_policy`: an Azure Policy adds the records."""
    firewall: PrivateAddress | None = None
    """The firewall through which everything leaves the network; by default through a NAT gateway."""
    hub: Hub | None = None


class Cluster(Frozen):
    """A compute cluster for training; without jobs it has no nodes."""

    size: MachineSize
    """The size of its nodes."""
    max_nodes: NodeCount
    """The most at once; the quota is compared with it."""
    min_nodes: NodeCount = 0
    """Kept while no job runs."""
    idle_minutes: Annotated[int, Field(ge=2, le=60)] = 5
    """After which a node without a job is removed."""
    spot: bool = False
    """Cheaper machines that Azure may take back at any time."""


class Spark(Frozen):
    """Serverless Spark: what a job may use at most. It costs nothing while no job runs."""

    size: Literal["Standard_E4s_v3", "Standard_E8s_v3", "Standard_E16s_v3", "Standard_E32s_v3", "Standard_E64s_v3"] = (
        "Standard_E4s_v3"
    )
    """All that Azure offers for it; `resources.instance_type` of a job."""
    max_executors: Annotated[int, Field(ge=1, le=200)] = 2
    """`spark.executor.instances` of a job, or `spark.dynamicAllocation.maxExecutors`; the driver comes on top."""


class InferenceTls(Frozen):
    """The certificate of the scoring endpoint on Kubernetes."""

    host_name: HostName
    """The name in the certificate. Its DNS record is yours to make."""
    secret_name: KubernetesName
    """An opaque secret in the namespace `azureml`, with the keys `cert.pem` and `key.pem`."""


class Kubernetes(Frozen):
    """The AKS cluster that serves the model."""

    system_size: MachineSize = "Standard_D4ds_v5"
    """The size of the nodes for Kubernetes itself and Azure ML's router."""
    system_nodes: Annotated[int, Field(ge=2, le=10)] = 2
    """Azure ML requires at least two system nodes with four virtual CPUs each."""
    node_size: MachineSize = "Standard_D4ds_v5"
    """The size of the nodes that score."""
    min_nodes: NodeCount = 0
    """Scoring nodes that there are without any request."""
    max_nodes: NodeCount = 3
    """Scoring nodes that the autoscaler adds at most."""
    namespace: KubernetesName = "scoring"
    """Where the models' pods are."""
    zones: tuple[Literal["1", "2", "3"], ...] = ("1", "2", "3")
    """Where nodes are spread; empty in a region without availability zones."""
    authorised_ranges: tuple[PublicRange, ...] = ()
    """Who may reach the control plane of a public cluster: you, CI, and Azure ML's service in the region."""
    service_range: PrivateRange = "172.16.0.0/16"
    """Addresses inside of the cluster, apart from the network's."""
    tls: InferenceTls | None = None
    attach: bool = True
    """False while the cluster does not have the TLS secret yet: the cluster is created without the extension."""
    prometheus: bool = False
    """Whether Azure's managed Prometheus scrapes the pods and alerts on their metrics."""
    maintenance: MaintenanceWindow | None = None
    """By default Azure chooses when it upgrades."""
    dns_zone: DnsZoneId | None = None
    """A central zone `privatelink.REGION.azmk8s.io` for the control plane; by default AKS makes its own."""
    grafana: bool = False
    """Whether to add a managed Grafana for those metrics; it is billed per hour and per user."""

    @property
    def sure_nodes(self) -> int:
        """The nodes that there are at all times."""
        return self.system_nodes + self.min_nodes

    @property
    def most_nodes(self) -> int:
        """The nodes that there may be at once: each pool adds one while it is upgraded."""
        pools = 2
        return self.system_nodes + SPARE_SYSTEM_NODES + self.max_nodes + pools


class Budget(Frozen):
    """What the stage may cost per month, in the currency of the subscription's bill."""

    amount: Annotated[int, Field(ge=1)]
    """Per month."""
    notify_at_percent: tuple[Percent, ...] = (50, 80, 100)
    """Shares of it at which the receivers get a message."""


class Alerts(Frozen):
    """Who is notified, and when."""

    receivers: tuple[Email, ...] = Field(min_length=1)
    """Who gets a message."""
    endpoint_exists: bool = False
    """True once the first deployment has created the managed endpoint: Azure refuses alerts on what does not exist."""
    latency_p95_milliseconds: Annotated[int, Field(ge=1)] = 500
    """The 95th percentile above which an alert fires."""
    failed_requests_per_minute: Annotated[int, Field(ge=0)] = 1
    """More than these fire an alert."""
    failed_jobs_per_hour: Annotated[int, Field(ge=0)] = 0
    """More than these fire an alert."""
    score_drift: Annotated[float, Field(gt=0)] = 0.25
    """Population stability index of scores against training's, as in releases/monitor.yml. Kubernetes only."""
    runbooks: HttpsAddress | None = None
    """The address of docs/observability.md; by default in the repository that `ci.github` names."""


class People(Frozen):
    """Entra groups, by object id. None: there is no such group."""

    data_scientists: Guid | None = None
    """Experiment in development, and read elsewhere."""
    operators: Guid | None = None
    """Read resources, metrics and logs."""
    auditors: Guid | None = None
    """Read the record of releases."""


class GitHub(Frozen):
    """Which GitHub environment may act as the stage's CI identity."""

    organisation: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")
    """The owner of the repository: an organisation or a user."""
    repository: str = Field(pattern=r"^[\w.-]+$")
    """The repository's name."""
    subject: Literal["names", "immutable"] = "immutable"
    """Whether tokens carry the ids as well: yes for repositories created, renamed or transferred since 15 July 2026."""
    organisation_id: int | None = None
    """`gh api repos/OWNER/REPO --jq .owner.id`."""
    repository_id: int | None = None
    """`gh api repos/OWNER/REPO --jq .id`."""


class AzureDevOps(Frozen):
    """Which service connection may act as the stage's CI identity; its page shows both values."""

    issuer: HttpsAddress
    """Who signs its tokens."""
    subject: str = Field(min_length=3)
    """The connection, as its tokens name it."""


class Ci(Frozen):
    """Who may act as the stage's CI identity. No secret is stored: tokens are federated."""

    github: GitHub | None = None
    azure_devops: AzureDevOps | None = None


class GitHubTrigger(Frozen):
    """The repository of `ci.github` is sent `drift-found`, with a token that a person puts into the handler's vault."""

    secret: str = Field(default="github-token", pattern=r"^[A-Za-z0-9-]{1,127}$")
    """The token's name in the vault."""


class PipelineTrigger(Frozen):
    """The pipeline to run, as the handler's own identity: no secret is stored."""

    organisation: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")
    """Of Azure DevOps."""
    project: str = Field(pattern=r"^\w[\w.-]{0,63}$")
    """The pipeline's project."""
    pipeline: Annotated[int, Field(ge=1)]
    """The number in the address of its page (`definitionId`)."""
    branch: str = Field(default="main", pattern=r"^\w[\w./-]*$")
    """What the pipeline runs."""


class DriftTriggers(Frozen):
    """What starts a retraining when drift is found that newer data would fix: neither, one or both."""

    github: GitHubTrigger | None = None
    azure_devops: PipelineTrigger | None = None

    @property
    def enabled(self) -> bool:
        """Whether drift starts anything, so that a handler is needed."""
        return self.github is not None or self.azure_devops is not None


class SharedRegistry(Frozen):
    """The registry of the shared stack, and what this stage may do there."""

    subscription_id: Guid
    """Of the stack `shared`."""
    location: Location
    """The registry's region."""
    access: Literal["reader", "user"]
    """`user` publishes models, `reader` only deploys them."""


class StageSettings(Frozen):
    """Everything about one stage."""

    format: Format
    kind: Literal["stage"]
    stage: StageName
    """The stack's name."""
    today: date
    """In UTC: a budget starts with its month."""
    project_stages: ProjectStages
    azure: Azure
    project: ProjectName
    """`name` in project.yml."""
    profile: Literal["development", "preproduction", "production"]
    """How strict the stage is: stage_profile.py says what each one means."""
    network: Network
    serving: Literal["managed", "kubernetes", "batch"]
    """How models are served; `batch`: files only, without an online endpoint."""
    kubernetes: Kubernetes | None = None
    cpu_cluster: Cluster
    gpu_cluster: Cluster | None = None
    spark: Spark | None = None
    """Jobs of `type: spark`, on several machines: docs/infrastructure.md, "Spark and several machines"."""
    images: Literal["own", "shared"] = "own"
    """Where images of environments are: in a registry of the stage's own, which builds them; or in the shared stack's,
    where the first stage builds them and every other stage finds them."""
    shared_images: bool = False
    """Whether the shared stack has a registry for images, read from its file."""
    budget: Budget
    alerts: Alerts
    people: People = People()
    ci: Ci = Ci()
    on_drift: DriftTriggers = DriftTriggers()
    registry: SharedRegistry
    tags: Tags = Field(default_factory=dict)
    """On every resource, besides the program's own."""
    naming: Naming = Naming()
    stack_namings: dict[str, Naming] = Field(default_factory=dict)
    """`naming` of every stack, read from its file."""
    logs: Logs = Logs()
    customer_managed_key: CustomerManagedKey | None = None
    locked: bool = True
    """Whether production's data and secrets are locked: false while a right on them is revoked or the stage deleted."""
    audit_days: Annotated[int, Field(ge=1, le=146_000)] = 365
    """How many days a blob of the audit container can be neither changed nor deleted."""

    @property
    def strict(self) -> bool:
        """Whether the full property checklist holds: everywhere but in development."""
        return self.profile != "development"

    @property
    def production(self) -> bool:
        """Whether customers depend on the stage: it is protected against deletion, and publishes no models."""
        return self.profile == "production"

    @property
    def private(self) -> bool:
        """Whether the stage can be reached from its own network only."""
        return self.network.access == "private"

    @property
    def subscription_before(self) -> str | None:
        """The subscription of the stage before, from project.yml or else this stage's; None in the first stage."""
        before = self.project_stages.before(self.stage)
        return before and self.project_stages.subscriptions.get(before, self.azure.subscription_id)

    @property
    def runbooks(self) -> str:
        """The page that says what to do when an alert fires. Raises ValueError where none is named."""
        if self.alerts.runbooks is not None:
            return self.alerts.runbooks
        if self.ci.github is None:
            raise ValueError("alerts.runbooks is missing")
        return f"https://github.com/{self.ci.github.organisation}/{self.ci.github.repository}/blob/main/{RUNBOOKS}"
