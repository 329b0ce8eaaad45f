"""One stage: which resources it has, and what each of them waits for. The resources themselves are in resources/."""

from __future__ import annotations

from collections.abc import Callable

import pulumi

from extra import extra_resources
from naming import CPU_CLUSTER, KUBERNETES_COMPUTE
from resources.base import BaseResources
from resources.context import Outputs
from resources.events.drift_handler import DriftHandler, handler_rules, queue_rules, topic_rules
from resources.events.drift_queue import DriftQueue
from resources.events.event_topic import EventTopic
from resources.events.handler_vault import HandlerVault
from resources.events.workspace_events import WorkspaceEvents
from resources.kubernetes.attachment import INSTANCE_TYPE, Attachment
from resources.kubernetes.cluster import KubernetesCluster
from resources.kubernetes.container_logs import ContainerLogs
from resources.kubernetes.grafana import Grafana
from resources.kubernetes.metrics import Metrics
from resources.locks import Locked, Locks
from resources.monitoring.alerts import ActionGroup, Alerts, Monitored
from resources.monitoring.budget import Budget
from resources.network.private_endpoints import Target, private_endpoints
from resources.network.subnets import Subnet
from resources.workspace.compute import Compute
from resources.workspace.container_registry import ContainerRegistry
from resources.workspace.key_vault import KeyVault
from resources.workspace.storage import AUDIT, COLLECTED, DEAD_LETTERS, Storage
from resources.workspace.workspace import Workspace, WorkspaceDependencies
from roles import Identity, Scope
from settings.stage import StageSettings

UNDER_LOCKS = (
    Scope.STORAGE,
    Scope.AUDIT,
    Scope.COLLECTED,
    Scope.DEAD_LETTERS,
    Scope.EVENT_QUEUE,
    Scope.KEY_VAULT,
)
Extra = Callable[[BaseResources, Workspace], Outputs]


def build_stage(settings: StageSettings, extra: Extra = extra_resources) -> Outputs:
    """Declare every resource of a stage; returns the stack's outputs."""
    base = BaseResources.create(settings)
    images_id = base.context.shared_images_id or ContainerRegistry(base).registry.id
    dependencies = WorkspaceDependencies(Storage(base), KeyVault(base), images_id)
    rights = _grant_on_dependencies(base, dependencies)
    reachable = _private_dependencies(base, dependencies)
    workspace = Workspace(base, dependencies, [*rights, *reachable])
    rights += base.access.grant(Scope.WORKSPACE, workspace.id)
    if base.context.workspace_before_id is not None:
        base.access.grant(Scope.WORKSPACE_BEFORE, base.context.workspace_before_id)
    reachable += _private_workspace(base, workspace)
    Compute(base, workspace, [*rights, *reachable])
    cluster = _serve_on_kubernetes(base, workspace, reachable) if settings.serving == "kubernetes" else None
    _monitor(base, workspace, cluster)
    added = extra(base, workspace)
    base.access.check_complete()
    if base.context.profile.protect and settings.locked:
        _lock(dependencies, [*base.access.granted(*UNDER_LOCKS), *reachable])
    return _with_extra(_outputs(base), added)


def _grant_on_dependencies(base: BaseResources, dependencies: WorkspaceDependencies) -> list[pulumi.Resource]:
    storage, monitoring = dependencies.storage, base.monitoring
    scopes = {
        Scope.RESOURCE_GROUP: base.group.id,
        Scope.STORAGE: storage.account.id,
        Scope.COLLECTED: storage.containers[COLLECTED].id,
        Scope.AUDIT: storage.containers[AUDIT].id,
        Scope.KEY_VAULT: dependencies.key_vault.vault.id,
        Scope.CONTAINER_REGISTRY: dependencies.images_id,
        Scope.APP_INSIGHTS: monitoring.insights.id,
        Scope.LOGS: monitoring.logs_id,
        Scope.ENDPOINT_IDENTITY: base.identities.resource_id(Identity.ENDPOINT),
        Scope.COMPUTE_IDENTITY: base.identities.resource_id(Identity.COMPUTE),
        Scope.REGISTRY: base.context.model_registry_id,
    }
    return [assignment for scope, scope_id in scopes.items() for assignment in base.access.grant(scope, scope_id)]


def _private_dependencies(base: BaseResources, dependencies: WorkspaceDependencies) -> list[pulumi.Resource]:
    account = dependencies.storage.account.id
    targets = [Target(part, account, part, (part,)) for part in ("blob", "file", "queue", "table")]
    targets.append(Target("vault", dependencies.key_vault.vault.id, "vault", ("vault",)))
    targets.append(Target("images", dependencies.images_id, "registry", ("images",)))
    endpoints = private_endpoints("private-dependencies", base, targets)
    if endpoints is None:
        return []
    rights = base.access.grant(Scope.BLOB_ENDPOINT, endpoints.ids["blob"])
    rights += base.access.grant(Scope.FILE_ENDPOINT, endpoints.ids["file"])
    return [*endpoints.reachable, *rights]


def _private_workspace(base: BaseResources, workspace: Workspace) -> list[pulumi.Resource]:
    targets = [
        Target("workspace", workspace.id, "amlworkspace", ("workspace", "notebooks")),
        Target("registry", base.context.model_registry_id, "amlregistry", ("workspace",)),
    ]
    endpoints = private_endpoints("private-workspace", base, targets)
    return [] if endpoints is None else list(endpoints.reachable)


def _lock(dependencies: WorkspaceDependencies, under: list[pulumi.Resource]) -> None:
    # On these two, not on the resource group: a lock on the group would also keep rollouts from deleting old
    # deployments, and clusters from scaling down.
    storage, vault = dependencies.storage, dependencies.key_vault
    locked = {
        "storage": Locked(storage.account.id, "keep-the-data", "Data and audit log"),
        "vault": Locked(vault.vault.id, "keep-the-secrets", "Secrets"),
    }
    Locks(locked, [storage, vault, *under])


def _serve_on_kubernetes(
    base: BaseResources, workspace: Workspace, reachable: list[pulumi.Resource]
) -> KubernetesCluster:
    rights: list[pulumi.Resource] = []
    if base.network is not None:
        rights += base.access.grant(Scope.KUBERNETES_SUBNET, base.network.subnet_id(Subnet.KUBERNETES))
    kubernetes = KubernetesCluster(base, [*rights, *reachable])
    rights += base.access.grant(Scope.KUBERNETES, kubernetes.cluster.id)
    settings = base.context.settings.kubernetes
    if settings is not None:
        ContainerLogs(base, kubernetes, settings.namespace)
    if settings is not None and settings.attach:
        Attachment(base, workspace, kubernetes, rights)
    return kubernetes


def _monitor(base: BaseResources, workspace: Workspace, kubernetes: KubernetesCluster | None) -> None:
    context, settings = base.context, base.context.settings
    options = context.protected_options(base.group)
    action_group = ActionGroup(context.names, settings.alerts.receivers, base.group.name, options, context.tags)
    Budget(context.names.of("budget"), base.group.id, settings.budget, action_group, settings.today)
    if kubernetes is not None:
        _monitor_pods(base, kubernetes, action_group)
    storage = workspace.dependencies.storage
    # Both topics first: the rights are granted to their own identities.
    workspace_events, event_topic = WorkspaceEvents(base, workspace, storage), EventTopic(base)
    rights = base.access.grant(Scope.EVENT_QUEUE, storage.queue.id)
    rights += base.access.grant(Scope.DEAD_LETTERS, storage.containers[DEAD_LETTERS].id)
    workspace_events.subscribe(rights)
    monitored = _publish_events(base, event_topic, storage, rights)
    cluster = kubernetes.cluster.id if kubernetes is not None else None
    Alerts(base, workspace, action_group, cluster, monitored)


def _publish_events(
    base: BaseResources, event_topic: EventTopic, storage: Storage, rights: list[pulumi.Resource]
) -> list[Monitored]:
    """Who reaches the topic of `mlops`, and the handler of its drift; returns what else alerts are about."""
    topic = event_topic.topic.id
    base.access.grant(Scope.TOPIC, topic)
    private_endpoints("private-events", base, [Target("events", topic, "topic", ("events",))])
    triggers = base.context.settings.on_drift
    if not triggers.enabled:
        return []
    queue = DriftQueue(base)
    ready = [*rights, *base.access.grant(Scope.DRIFT_QUEUE, queue.queue.id)]
    vault = HandlerVault(base) if triggers.github is not None else None
    if vault is not None:
        ready += base.access.grant(Scope.HANDLER_VAULT, vault.vault.id)
    handler = DriftHandler(base, event_topic, queue, vault, storage, ready)
    return [
        (topic_rules(), topic),
        (queue_rules(), queue.namespace.id),
        (handler_rules(), handler.workflow.id),
    ]


def _monitor_pods(base: BaseResources, kubernetes: KubernetesCluster, action_group: ActionGroup) -> None:
    settings = base.context.settings.kubernetes
    if settings is None or not settings.prometheus:
        return
    metrics = Metrics(base, kubernetes)
    metrics.add_alerts(action_group)
    if settings.grafana:
        grafana = Grafana(base, metrics, base.access.grant(Scope.METRICS, metrics.store.id))
        base.access.grant(Scope.GRAFANA, grafana.id)


def _outputs(base: BaseResources) -> Outputs:
    settings, identities, names = base.context.settings, base.identities, base.context.names
    return {
        # What project.yml has per stage; all of it is known in a preview, except the identity's id.
        "subscription_id": settings.azure.subscription_id,
        "resource_group": names.resource_group,
        "workspace": names.workspace,
        "location": settings.azure.location,
        "compute": CPU_CLUSTER,
        "registry": base.context.shared_names.model_registry,
        "collected_datastore": COLLECTED,
        "endpoint_identity": identities.resource_id(Identity.ENDPOINT),
        "events_topic": names.events_topic,
        # Absent where the stage builds its own.
        **({"images": settings.images} if settings.images == "shared" else {}),
        # Where a person puts the token that the drift handler reads; absent where it needs none.
        **({"handler_vault": names.handler_vault} if settings.on_drift.github is not None else {}),
        "endpoint_client_id": identities.client_id(Identity.ENDPOINT),
        # Not a secret: it accepts telemetry from the endpoint's identity only, and no keys.
        "application_insights": base.monitoring.insights.connection_string,
        **_serving(settings, names.endpoint),
        **_spark(settings),
        # What pipelines log in with, and what jobs run as.
        "tenant_id": settings.azure.tenant_id,
        "ci_client_id": identities.client_id(Identity.CI),
        "compute_identity": identities.resource_id(Identity.COMPUTE),
    }


def _serving(settings: StageSettings, endpoint: str) -> Outputs:
    """How the stage serves: its online endpoint, and on a cluster the names that a deployment there needs."""
    if settings.serving == "batch":
        return {"serving": settings.serving}
    if settings.serving == "managed":
        return {"serving": settings.serving, "endpoint": endpoint}
    return {
        "serving": settings.serving,
        "endpoint": endpoint,
        "kubernetes_compute": KUBERNETES_COMPUTE,
        "instance_type": INSTANCE_TYPE,
    }


def _spark(settings: StageSettings) -> Outputs:
    """What jobs of `type: spark` may ask for: `resources.instance_type`, and their number of executors."""
    spark = settings.spark
    if spark is None:
        return {}
    return {"spark": {"instance_type": spark.size.lower(), "max_executors": spark.max_executors}}


def _with_extra(outputs: Outputs, added: Outputs) -> Outputs:
    taken = sorted(outputs.keys() & added.keys())
    if taken:
        raise ValueError(f"extra.py returns the output {taken[0]}, which the stage has already; rename it")
    return outputs | added
