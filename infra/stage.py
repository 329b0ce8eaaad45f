"""One stage put together: which parts there are, and what each waits for. The parts stand in resources/."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from naming import CPU_CLUSTER, KUBERNETES_COMPUTE, Names
from resources.access import Access
from resources.alerts import ActionGroup, Alerts, Watched
from resources.announcements import Announcements
from resources.attachment import INSTANCE_TYPE, Attachment
from resources.budget import Budget
from resources.compute import Compute
from resources.container_registry import ContainerRegistry
from resources.context import Context
from resources.drift_handler import DriftHandler, handler_rules, queue_rules, topic_rules
from resources.drift_queue import DriftQueue
from resources.events import Events
from resources.grafana import Grafana
from resources.group import ResourceGroup
from resources.handler_vault import HandlerVault
from resources.identities import Identities
from resources.key_vault import KeyVault
from resources.kubernetes import KubernetesCluster
from resources.metrics import Metrics
from resources.monitoring import Monitoring
from resources.network import Network
from resources.private_endpoints import PrivateEndpoints, Target
from resources.storage import AUDIT, COLLECTED, DEAD_LETTERS, Storage
from resources.subnets import Subnet
from resources.workspace import Belongings, Workspace
from roles import Machine, Scope
from settings.stage import StageSettings

Outputs = dict[str, pulumi.Input[object]]


@dataclass(frozen=True)
class Ground:
    """What everything else of a stage stands on."""

    context: Context
    group: ResourceGroup
    identities: Identities
    access: Access
    monitoring: Monitoring
    network: Network | None


def build_stage(settings: StageSettings) -> Outputs:
    """Declare every resource of a stage; what it gives back are the stack's outputs."""
    ground = _ground(settings)
    belongings = _belongings(ground)
    rights = _rights_before_the_workspace(ground, belongings)
    reachable = _private_belongings(ground, belongings)
    workspace = Workspace(ground.context, ground.group, ground.identities, belongings, [*rights, *reachable])
    rights += _rights_on_the_workspace(ground, workspace)
    reachable += _private_workspace(ground, workspace)
    Compute(ground.context, ground.group, workspace, ground.identities, ground.network, [*rights, *reachable])
    cluster = _serve_on_kubernetes(ground, workspace, reachable) if settings.serving == "kubernetes" else None
    _tell(ground, workspace, belongings.storage, cluster)
    ground.access.close()
    return _outputs(ground)


def _ground(settings: StageSettings) -> Ground:
    context = Context.of(settings)
    group = ResourceGroup(context)
    identities = Identities(context, group)
    monitoring = Monitoring(context, group)
    network = Network(context, group, monitoring) if settings.private else None
    return Ground(context, group, identities, Access(context, identities), monitoring, network)


def _belongings(ground: Ground) -> Belongings:
    parts = (ground.context, ground.group, ground.monitoring)
    return Belongings(ground.monitoring, Storage(*parts), KeyVault(*parts), ContainerRegistry(*parts))


def _rights_before_the_workspace(ground: Ground, belongings: Belongings) -> list[pulumi.Resource]:
    storage, insights = belongings.storage, ground.monitoring.insights
    scopes = {
        Scope.RESOURCE_GROUP: ground.group.id,
        Scope.STORAGE: storage.account.id,
        Scope.COLLECTED: storage.containers[COLLECTED].id,
        Scope.AUDIT: storage.containers[AUDIT].id,
        Scope.KEY_VAULT: belongings.key_vault.vault.id,
        Scope.CONTAINER_REGISTRY: belongings.container_registry.registry.id,
        Scope.APP_INSIGHTS: insights.id,
        Scope.LOGS: ground.monitoring.logs.id,
        Scope.ENDPOINT_IDENTITY: ground.identities.of(Machine.ENDPOINT),
        Scope.COMPUTE_IDENTITY: ground.identities.of(Machine.COMPUTE),
        Scope.REGISTRY: _registry_id(ground.context.settings),
    }
    rights: list[pulumi.Resource] = []
    for scope, scope_id in scopes.items():
        rights += ground.access.on(scope, scope_id, _known_as(ground, scope)).assignments
    return rights


def _rights_on_the_workspace(ground: Ground, workspace: Workspace) -> list[pulumi.Resource]:
    return [*ground.access.on(Scope.WORKSPACE, workspace.id, _known_as(ground, Scope.WORKSPACE)).assignments]


def _known_as(ground: Ground, scope: Scope) -> str:
    if scope is Scope.REGISTRY:
        return _registry_id(ground.context.settings)
    return f"{ground.context.names.group_id}/{scope}"


def _registry_id(settings: StageSettings) -> str:
    return Names(settings.project, "shared", settings.registry.subscription_id).model_registry_id


def _private_belongings(ground: Ground, belongings: Belongings) -> list[pulumi.Resource]:
    if ground.network is None:
        return []
    account = belongings.storage.account.id
    targets = [Target(part, account, part, (part,)) for part in ("blob", "file", "queue", "table")]
    targets.append(Target("vault", belongings.key_vault.vault.id, "vault", ("vault",)))
    targets.append(Target("images", belongings.container_registry.registry.id, "registry", ("images",)))
    return PrivateEndpoints("private-belongings", ground.context, ground.group, ground.network, targets).ready


def _private_workspace(ground: Ground, workspace: Workspace) -> list[pulumi.Resource]:
    if ground.network is None:
        return []
    zones = ("workspace", "notebooks")
    registry = _registry_id(ground.context.settings)
    targets = [
        Target("workspace", workspace.id, "amlworkspace", zones),
        Target("registry", registry, "amlregistry", ("workspace",)),
    ]
    return PrivateEndpoints("private-workspace", ground.context, ground.group, ground.network, targets).ready


def _serve_on_kubernetes(ground: Ground, workspace: Workspace, reachable: list[pulumi.Resource]) -> KubernetesCluster:
    context, network, access = ground.context, ground.network, ground.access
    rights: list[pulumi.Resource] = []
    if network is not None:
        subnet = network.subnet_id(Subnet.KUBERNETES)
        scope = Scope.KUBERNETES_SUBNET
        rights += access.on(scope, subnet, _known_as(ground, scope)).assignments
    kubernetes = KubernetesCluster(
        context, ground.group, ground.identities, ground.monitoring, network, [*rights, *reachable]
    )
    rights += access.on(Scope.KUBERNETES, kubernetes.cluster.id, _known_as(ground, Scope.KUBERNETES)).assignments
    if context.settings.kubernetes and context.settings.kubernetes.attach:
        Attachment(context, ground.group, workspace, kubernetes, ground.identities, rights)
    return kubernetes


def _tell(ground: Ground, workspace: Workspace, storage: Storage, kubernetes: KubernetesCluster | None) -> None:
    context, group, access = ground.context, ground.group, ground.access
    settings, names = context.settings, context.names
    people = ActionGroup(
        settings.project,
        settings.stage,
        settings.alerts.receivers,
        group.name,
        names.of("ag"),
        context.lasting(group),
        context.tags,
    )
    Budget(names.of("budget"), group.id, settings.budget, people)
    if kubernetes is not None and kubernetes.watched:
        _watch_pods(ground, kubernetes, people)
    rights: list[pulumi.Resource] = []
    queue = storage.queue.id
    letters = storage.containers[DEAD_LETTERS].id
    for scope, scope_id in ((Scope.EVENT_QUEUE, queue), (Scope.DEAD_LETTERS, letters)):
        rights += access.on(scope, scope_id, _known_as(ground, scope)).assignments
    Events(context, group, workspace, storage, ground.identities, rights)
    watched = _announce(ground, storage, rights)
    cluster = kubernetes.cluster.id if kubernetes else None
    Alerts(context, group, workspace, ground.monitoring, people, cluster, watched)


def _announce(ground: Ground, storage: Storage, rights: list[pulumi.Resource]) -> list[Watched]:
    """The topic of `mlops`, and what acts on its drift; gives back what else alerts watch."""
    context, group, monitoring, access = ground.context, ground.group, ground.monitoring, ground.access
    announcements = Announcements(context, group, monitoring, ground.identities)
    topic = announcements.topic.id
    access.on(Scope.TOPIC, topic, _known_as(ground, Scope.TOPIC))
    if ground.network is not None:
        target = Target("events", topic, "topic", ("events",))
        PrivateEndpoints("private-events", context, group, ground.network, [target])
    asked = context.settings.on_drift
    if not asked.asks:
        return []
    queue = DriftQueue(context, group, monitoring)
    scopes = {Scope.DRIFT_QUEUE: queue.queue.id}
    vault = HandlerVault(context, group, monitoring) if asked.github is not None else None
    if vault is not None:
        scopes[Scope.HANDLER_VAULT] = vault.vault.id
    ready = list(rights)
    for scope, scope_id in scopes.items():
        ready += access.on(scope, scope_id, _known_as(ground, scope)).assignments
    parts = (announcements, queue, vault, storage, ground.identities, monitoring)
    handler = DriftHandler(context, group, *parts, ready)
    return [
        (topic_rules(), topic),
        (queue_rules(), queue.namespace.id),
        (handler_rules(), handler.workflow.id),
    ]


def _watch_pods(ground: Ground, kubernetes: KubernetesCluster, people: ActionGroup) -> None:
    metrics = Metrics(ground.context, ground.group, kubernetes)
    metrics.alert(people)
    if not kubernetes.shown:
        return
    reading = ground.access.on(Scope.METRICS, metrics.store.id, _known_as(ground, Scope.METRICS)).assignments
    grafana = Grafana(ground.context, ground.group, ground.identities, ground.monitoring, metrics, reading)
    ground.access.on(Scope.GRAFANA, grafana.id, _known_as(ground, Scope.GRAFANA))


def _outputs(ground: Ground) -> Outputs:
    settings, identities, names = ground.context.settings, ground.identities, ground.context.names
    return {
        # What project.yml's stages hold; all of it known in a preview, except the identity's id.
        "subscription_id": settings.azure.subscription_id,
        "resource_group": names.resource_group,
        "workspace": names.workspace,
        "location": settings.azure.location,
        "compute": CPU_CLUSTER,
        "endpoint": names.endpoint,
        "registry": names.model_registry,
        "collected_datastore": COLLECTED,
        "endpoint_identity": identities.of(Machine.ENDPOINT),
        "events_topic": names.events_topic,
        # Where a person puts the token that the handler of drift reads; none where it needs none.
        **({"handler_vault": names.handler_vault} if settings.on_drift.github is not None else {}),
        "endpoint_client_id": identities.client_id(Machine.ENDPOINT),
        # No secret: it takes no keys, only what the endpoint's identity sends.
        "application_insights": ground.monitoring.insights.connection_string,
        **_serving(settings),
        # What pipelines log in with, and what jobs run as.
        "tenant_id": settings.azure.tenant_id,
        "ci_client_id": identities.client_id(Machine.CI),
        "compute_identity": identities.of(Machine.COMPUTE),
    }


def _serving(settings: StageSettings) -> Outputs:
    """What serves, and on a cluster the names that a deployment there needs."""
    if settings.serving == "managed":
        return {"serving": settings.serving}
    return {
        "serving": settings.serving,
        "kubernetes_compute": KUBERNETES_COMPUTE,
        "instance_type": INSTANCE_TYPE,
    }
