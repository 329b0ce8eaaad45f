"""Who may do what on what in a stage, as a table: every grant with its reason.

resources/identity/access.py turns the table into role assignments. What CI may do across the stages is in ci_roles.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from settings.project import ProjectStages
from settings.stage import StageSettings


class Role(Enum):
    """Azure's built-in roles that this program grants: title and id."""

    DATA_SCIENTIST = ("AzureML Data Scientist", "f6c7c914-8db3-469d-8ca1-694a8f32e121")
    COMPUTE_OPERATOR = ("AzureML Compute Operator", "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815")
    REGISTRY_USER = ("AzureML Registry User", "1823dd4f-9b8c-4ab6-ab4e-7397a3684615")
    NETWORK_APPROVER = ("Azure AI Enterprise Network Connection Approver", "b556d68e-0be0-4f35-a333-ad7ee1ce17ea")
    KUBERNETES_EXTENSION = ("Kubernetes Extension Contributor", "85cb6faf-e071-4c9b-8136-154b5a04f717")
    CLUSTER_READER = ("Azure Kubernetes Service RBAC Reader", "7f6c6a51-bcf8-42ba-9220-52d62157d7db")
    CLUSTER_ADMIN = ("Azure Kubernetes Service Cluster Admin Role", "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8")
    BLOB_CONTRIBUTOR = ("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe")
    BLOB_READER = ("Storage Blob Data Reader", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1")
    FILE_CONTRIBUTOR = ("Storage File Data Privileged Contributor", "69566ab7-960f-475b-8e7c-b3118f30c6bd")
    QUEUE_SENDER = ("Storage Queue Data Message Sender", "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a")
    ACR_PULL = ("AcrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d")
    CRYPTO_USER = ("Key Vault Crypto User", "12338af0-0e69-4776-bea7-57ae8d297424")
    KEY_VAULT_ADMINISTRATOR = ("Key Vault Administrator", "00482a5a-887f-4fb3-b363-3b7fe8e74483")
    CONTRIBUTOR = ("Contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c")
    ACCESS_ADMINISTRATOR = ("Role Based Access Control Administrator", "f58310d9-a9f6-439a-9e8d-f62e7b41a168")
    READER = ("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7")
    NETWORK_CONTRIBUTOR = ("Network Contributor", "4d97b98b-1d4f-4787-a291-c67834d212e7")
    IDENTITY_OPERATOR = ("Managed Identity Operator", "f1a07417-d97a-45cb-824c-7a7467783830")
    METRICS_PUBLISHER = ("Monitoring Metrics Publisher", "3913510d-42f4-4e42-8a64-420c390055eb")
    MONITORING_READER = ("Monitoring Reader", "43d0d8ad-25c7-4714-9337-8ba259a9fe05")
    MONITORING_DATA_READER = ("Monitoring Data Reader", "b0d8363b-8ddd-447d-831f-62ca05bff136")
    GRAFANA_EDITOR = ("Grafana Editor", "a79a5197-3a5c-4973-a920-486035ffd60f")
    GRAFANA_VIEWER = ("Grafana Viewer", "60921a7e-fef1-4a43-9b16-a26c52ad4769")
    LOG_READER = ("Log Analytics Reader", "73c42c96-874c-492b-b04d-ab87d138a893")
    EVENT_SENDER = ("EventGrid Data Sender", "d5a91429-5739-47e2-a06b-3470a27159e7")
    MESSAGE_SENDER = ("Azure Service Bus Data Sender", "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39")
    MESSAGE_RECEIVER = ("Azure Service Bus Data Receiver", "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0")
    SECRETS_USER = ("Key Vault Secrets User", "4633458b-17de-408a-b874-0445c86b69e6")

    def __init__(self, title: str, id_: str) -> None:
        self.title = title
        self.id = id_

    def definition(self, subscription_id: str) -> str:
        """The resource id of the role in a subscription."""
        return f"/subscriptions/{subscription_id}/providers/Microsoft.Authorization/roleDefinitions/{self.id}"


class Identity(StrEnum):
    """The managed identities that a stage has. Those of OF_RESOURCES belong to the resource that acts with them."""

    WORKSPACE = "workspace"
    COMPUTE = "compute"
    ENDPOINT = "endpoint"
    CI = "ci"
    WORKSPACE_EVENTS = "workspace-events"
    TOPIC = "topic"
    CLUSTER = "cluster"
    HANDLER = "handler"
    GRAFANA = "grafana"


# Event Grid reaches storage behind a firewall as a trusted service only, which a user-assigned identity never is.
OF_RESOURCES = frozenset({Identity.WORKSPACE_EVENTS, Identity.TOPIC})


class Group(StrEnum):
    """The groups of people, whose ids come from the settings."""

    DATA_SCIENTISTS = "data_scientists"
    OPERATORS = "operators"
    AUDITORS = "auditors"


class Scope(StrEnum):
    """What a role is granted on."""

    RESOURCE_GROUP = "resource group"
    WORKSPACE = "workspace"
    STORAGE = "storage"
    AUDIT = "audit container"
    COLLECTED = "collected container"
    DEAD_LETTERS = "dead-letter container"
    EVENT_QUEUE = "event queue"
    TOPIC = "events topic"
    DRIFT_QUEUE = "drift queue"
    HANDLER_VAULT = "handler vault"
    KEY_VAULT = "key vault"
    CONTAINER_REGISTRY = "container registry"
    APP_INSIGHTS = "application insights"
    LOGS = "log analytics"
    METRICS = "metrics store"
    GRAFANA = "grafana"
    KUBERNETES = "kubernetes"
    KUBERNETES_SUBNET = "kubernetes subnet"
    COMPUTE_IDENTITY = "compute identity"
    ENDPOINT_IDENTITY = "endpoint identity"
    REGISTRY = "model registry"
    WORKSPACE_BEFORE = "workspace of the stage before"
    BLOB_ENDPOINT = "private endpoint of blobs"
    FILE_ENDPOINT = "private endpoint of files"


@dataclass(frozen=True)
class Grant:
    """One role for one principal on one scope, and why."""

    principal: Identity | Group
    role: Role
    scope: Scope
    reason: str


# What Azure ML's documentation requires for a workspace's identity; each on one resource, none on the group.
WORKSPACE = (
    Grant(Identity.WORKSPACE, Role.CONTRIBUTOR, Scope.STORAGE, "manages the workspace's containers and shares"),
    Grant(Identity.WORKSPACE, Role.BLOB_CONTRIBUTOR, Scope.STORAGE, "reads and writes the datastores"),
    Grant(Identity.WORKSPACE, Role.FILE_CONTRIBUTOR, Scope.STORAGE, "reads and writes the workspace's file share"),
    Grant(Identity.WORKSPACE, Role.CONTRIBUTOR, Scope.KEY_VAULT, "links the vault to the workspace"),
    Grant(Identity.WORKSPACE, Role.KEY_VAULT_ADMINISTRATOR, Scope.KEY_VAULT, "stores the workspace's connections"),
    Grant(Identity.WORKSPACE, Role.CONTRIBUTOR, Scope.CONTAINER_REGISTRY, "builds and stores environment images"),
    Grant(Identity.WORKSPACE, Role.CONTRIBUTOR, Scope.APP_INSIGHTS, "links telemetry to the workspace"),
    Grant(Identity.WORKSPACE, Role.CONTRIBUTOR, Scope.WORKSPACE, "manages what the workspace contains"),
)
COMPUTE = (
    Grant(Identity.COMPUTE, Role.BLOB_CONTRIBUTOR, Scope.STORAGE, "jobs read inputs and write outputs"),
    Grant(Identity.COMPUTE, Role.FILE_CONTRIBUTOR, Scope.STORAGE, "jobs read code from the workspace's share"),
    Grant(Identity.COMPUTE, Role.ACR_PULL, Scope.CONTAINER_REGISTRY, "nodes pull environment images"),
)
ENDPOINT = (
    Grant(Identity.ENDPOINT, Role.BLOB_READER, Scope.STORAGE, "a deployment downloads its model"),
    Grant(Identity.ENDPOINT, Role.BLOB_CONTRIBUTOR, Scope.COLLECTED, "a deployment writes collected requests"),
    Grant(Identity.ENDPOINT, Role.ACR_PULL, Scope.CONTAINER_REGISTRY, "a deployment pulls its image"),
    Grant(Identity.ENDPOINT, Role.METRICS_PUBLISHER, Scope.APP_INSIGHTS, "sends telemetry by identity, not by key"),
)
CI = (
    Grant(Identity.CI, Role.READER, Scope.RESOURCE_GROUP, "looks at what is deployed before it changes anything"),
    Grant(Identity.CI, Role.DATA_SCIENTIST, Scope.WORKSPACE, "submits jobs, registers models, deploys"),
    Grant(Identity.CI, Role.BLOB_CONTRIBUTOR, Scope.STORAGE, "uploads code, downloads job outputs, records releases"),
    Grant(Identity.CI, Role.IDENTITY_OPERATOR, Scope.ENDPOINT_IDENTITY, "assigns the endpoint identity to deployments"),
    Grant(Identity.CI, Role.IDENTITY_OPERATOR, Scope.COMPUTE_IDENTITY, "submits jobs that run as the compute identity"),
    Grant(Identity.CI, Role.EVENT_SENDER, Scope.TOPIC, "publishes rollouts and rollbacks"),
)
# Whether a model may be released is asked of the stage before: its endpoint, and the records in its workspace.
AFTER_ANOTHER = (Grant(Identity.CI, Role.READER, Scope.WORKSPACE_BEFORE, "asks the stage before what it runs and ran"),)
PRIVATE = (
    Grant(Identity.WORKSPACE, Role.READER, Scope.BLOB_ENDPOINT, "studio shows data behind the private endpoint"),
    Grant(Identity.WORKSPACE, Role.READER, Scope.FILE_ENDPOINT, "studio shows files behind the private endpoint"),
)
EVENTS = (
    Grant(Identity.WORKSPACE_EVENTS, Role.QUEUE_SENDER, Scope.EVENT_QUEUE, "Event Grid delivers by identity"),
    Grant(
        Identity.WORKSPACE_EVENTS, Role.BLOB_CONTRIBUTOR, Scope.DEAD_LETTERS, "stores events that cannot be delivered"
    ),
)
# Only where drift starts a retraining by itself (on_drift in the settings).
HANDLER = (
    Grant(Identity.TOPIC, Role.MESSAGE_SENDER, Scope.DRIFT_QUEUE, "Event Grid delivers drift by identity"),
    Grant(Identity.TOPIC, Role.BLOB_CONTRIBUTOR, Scope.DEAD_LETTERS, "stores drift that cannot be delivered"),
    Grant(Identity.HANDLER, Role.MESSAGE_RECEIVER, Scope.DRIFT_QUEUE, "removes drift that CI has accepted"),
)
HANDLER_ON_GITHUB = (
    Grant(Identity.HANDLER, Role.SECRETS_USER, Scope.HANDLER_VAULT, "reads the repository's token when it needs it"),
)
KUBERNETES = (
    Grant(Identity.WORKSPACE, Role.READER, Scope.KUBERNETES, "the workspace reads the cluster it attaches"),
    Grant(Identity.WORKSPACE, Role.KUBERNETES_EXTENSION, Scope.KUBERNETES, "the workspace manages its extension"),
    Grant(Identity.WORKSPACE, Role.CLUSTER_ADMIN, Scope.KUBERNETES, "attaching asks for the cluster's credentials"),
    Grant(Group.OPERATORS, Role.CLUSTER_READER, Scope.KUBERNETES, "looks at pods and their events"),
)
KUBERNETES_NETWORK = (
    Grant(Identity.CLUSTER, Role.NETWORK_CONTRIBUTOR, Scope.KUBERNETES_SUBNET, "the cluster adds nodes to its subnet"),
)
GRAFANA = (
    Grant(Identity.GRAFANA, Role.MONITORING_DATA_READER, Scope.METRICS, "the dashboard queries the metrics store"),
    Grant(Identity.CI, Role.GRAFANA_EDITOR, Scope.GRAFANA, "imports the repository's dashboard"),
    Grant(Group.DATA_SCIENTISTS, Role.GRAFANA_VIEWER, Scope.GRAFANA, "views how the service performs"),
    Grant(Group.OPERATORS, Role.GRAFANA_VIEWER, Scope.GRAFANA, "views how the service performs"),
)
MANAGED_NETWORK = (
    Grant(Identity.WORKSPACE, Role.NETWORK_APPROVER, Scope.RESOURCE_GROUP, "approves its managed private endpoints"),
)
# Azure's service makes the endpoint in its own network, and this identity approves it at the shared registry.
SHARED_IMAGES_IN_A_MANAGED_NETWORK = (
    Grant(Identity.WORKSPACE, Role.NETWORK_APPROVER, Scope.CONTAINER_REGISTRY, "approves its endpoint of the images"),
)
# What Microsoft's documentation requires for a Spark job, beside the data itself: of the identity that it runs as.
SPARK = (Grant(Identity.COMPUTE, Role.CONTRIBUTOR, Scope.STORAGE, "Spark jobs with a managed identity write"),)
SPARK_OF_SCIENTISTS = (
    Grant(Group.DATA_SCIENTISTS, Role.CONTRIBUTOR, Scope.STORAGE, "Spark jobs of people run as themselves"),
)
OPERATORS = (
    Grant(Group.OPERATORS, Role.READER, Scope.RESOURCE_GROUP, "reads everything, changes nothing"),
    Grant(Group.OPERATORS, Role.MONITORING_READER, Scope.RESOURCE_GROUP, "reads metrics and alerts"),
    Grant(Group.OPERATORS, Role.LOG_READER, Scope.LOGS, "queries the logs"),
)
AUDITORS = (Grant(Group.AUDITORS, Role.BLOB_READER, Scope.AUDIT, "reads the record of releases"),)
SCIENTISTS_WHO_EXPERIMENT = (
    Grant(Group.DATA_SCIENTISTS, Role.DATA_SCIENTIST, Scope.WORKSPACE, "experiments: jobs, models, endpoints"),
    Grant(Group.DATA_SCIENTISTS, Role.COMPUTE_OPERATOR, Scope.WORKSPACE, "resizes and restarts compute"),
    Grant(Group.DATA_SCIENTISTS, Role.BLOB_CONTRIBUTOR, Scope.STORAGE, "uploads data and code"),
    Grant(Group.DATA_SCIENTISTS, Role.FILE_CONTRIBUTOR, Scope.STORAGE, "compute instances mount the workspace's share"),
    Grant(Group.DATA_SCIENTISTS, Role.READER, Scope.TOPIC, "looks up the topic's address"),
    Grant(Group.DATA_SCIENTISTS, Role.EVENT_SENDER, Scope.TOPIC, "publishes what they deploy, and drift"),
)
SCIENTISTS_WHO_READ = (
    Grant(Group.DATA_SCIENTISTS, Role.READER, Scope.WORKSPACE, "reads jobs, metrics and endpoints; CI changes them"),
)


def grants_of(settings: StageSettings) -> tuple[Grant, ...]:
    """Every grant of a stage, without those for groups that the settings leave out."""
    grants = WORKSPACE + COMPUTE + ENDPOINT + CI + EVENTS + OPERATORS + AUDITORS + _registry(settings)
    grants += SCIENTISTS_WHO_READ if settings.strict else SCIENTISTS_WHO_EXPERIMENT
    grants += _spark(settings)
    if settings.serving == "kubernetes":
        grants += KUBERNETES
        if settings.private:
            grants += KUBERNETES_NETWORK
        if settings.kubernetes is not None and settings.kubernetes.grafana:
            grants += GRAFANA
    if settings.private:
        grants += PRIVATE
    if settings.subscription_before is not None:
        grants += AFTER_ANOTHER
    if settings.network.isolation == "workspace_managed":
        grants += MANAGED_NETWORK
        if settings.images == "shared":
            grants += SHARED_IMAGES_IN_A_MANAGED_NETWORK
    if settings.on_drift.enabled:
        grants += HANDLER
    if settings.on_drift.github is not None:
        grants += HANDLER_ON_GITHUB
    return tuple(grant for grant in grants if not _left_out(grant, settings))


def group_roles(stages: ProjectStages, stage: str) -> frozenset[Role]:
    """Every role that a stage may grant in its own resource group, whatever its settings."""
    tables = WORKSPACE + COMPUTE + ENDPOINT + CI + EVENTS + OPERATORS + AUDITORS + PRIVATE
    tables += KUBERNETES + KUBERNETES_NETWORK + GRAFANA + MANAGED_NETWORK + HANDLER + HANDLER_ON_GITHUB + SPARK
    # Only the first stage may have the development profile (settings/stage_checks.py).
    tables += SCIENTISTS_WHO_EXPERIMENT if stage == stages.training else SCIENTISTS_WHO_READ
    return frozenset(grant.role for grant in tables)


def images_roles() -> frozenset[Role]:
    """Every role that a stage may grant on the registry of images that the stages share."""
    tables = WORKSPACE + COMPUTE + ENDPOINT + SHARED_IMAGES_IN_A_MANAGED_NETWORK
    return frozenset(grant.role for grant in tables if grant.scope is Scope.CONTAINER_REGISTRY)


def registry_roles(stages: ProjectStages, stage: str) -> frozenset[Role]:
    """Every role that a stage may grant on the registry: production publishes nothing (settings/stage_checks.py)."""
    if stages.is_production(stage) and not stages.is_only(stage):
        return frozenset({Role.READER})
    return frozenset({Role.READER, Role.REGISTRY_USER})


def _registry(settings: StageSettings) -> tuple[Grant, ...]:
    ci_role = Role.REGISTRY_USER if settings.registry.access == "user" else Role.READER
    purpose = "publishes models and deploys them" if ci_role is Role.REGISTRY_USER else "deploys published models"
    return (
        Grant(Identity.CI, ci_role, Scope.REGISTRY, purpose),
        Grant(Identity.WORKSPACE, Role.READER, Scope.REGISTRY, "resolves models of the registry"),
        Grant(Identity.COMPUTE, Role.READER, Scope.REGISTRY, "jobs read models and components of the registry"),
        Grant(Identity.ENDPOINT, Role.READER, Scope.REGISTRY, "a deployment downloads a promoted model"),
    )


def _spark(settings: StageSettings) -> tuple[Grant, ...]:
    if settings.spark is None:
        return ()
    return SPARK if settings.strict else SPARK + SPARK_OF_SCIENTISTS


def _left_out(grant: Grant, settings: StageSettings) -> bool:
    """Whether there is no such group, or another team owns the scope and grants the right itself."""
    owned_by_others = {
        Scope.LOGS: settings.logs.workspace is not None,
        Scope.KUBERNETES_SUBNET: settings.network.existing is not None,
    }
    if owned_by_others.get(grant.scope, False):
        return True
    return isinstance(grant.principal, Group) and getattr(settings.people, grant.principal.value) is None
