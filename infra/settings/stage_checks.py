"""Which settings of a stage do not go together: one function per rule; every rule runs and every problem is named."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator

from naming import ENDPOINT_LIMIT, GROUP_LIMIT, WORKSPACE_LIMIT, Names
from settings.fields import local_disk_gigabytes, virtual_cpus
from settings.platform_checks import platform_problems
from settings.stage import (
    DISK_GIGABYTES,
    NODE_SUBNET,
    PODS_PER_NODE,
    Cluster,
    GitHub,
    Kubernetes,
    StageSettings,
)

LARGEST_NETWORK, SMALLEST_NETWORK = 16, 21
SYSTEM_NODE_CPUS = 4
ADDRESS_BITS = 32
RESERVED_ADDRESSES = 5  # by Azure, in every subnet


def stage_problems(settings: StageSettings) -> list[str]:
    """Every rule that the settings break, one sentence each."""
    if settings.stage not in settings.project_stages.names:
        known = ", ".join(settings.project_stages.names)
        return [
            f"kind is stage, but project.yml has no stage {settings.stage}, only {known}; add it or delete this file"
        ]
    return [problem for rule in RULES for problem in rule(settings)]


def missing_ids(github: GitHub | None) -> Iterator[str]:
    """The ids that are missing for a repository whose tokens carry them."""
    if github is not None and github.subject == "immutable":
        for key in ("organisation_id", "repository_id"):
            if getattr(github, key) is None:
                yield f"ci.github.{key} is missing: immutable subjects carry it (`gh api repos/OWNER/REPO`)"


def _profile(settings: StageSettings) -> Iterator[str]:
    stages, stage = settings.project_stages, settings.stage
    if settings.profile == "development" and stage != stages.training:
        yield f"profile is development: only the first stage, {stages.training}, may have that; set preproduction"
    if not settings.production and stages.is_production(stage) and not stages.is_only(stage):
        yield f"profile is {settings.profile}: {stage} is the last stage of project.yml; set production"


def _network(settings: StageSettings) -> Iterator[str]:
    network = settings.network
    if settings.private and network.address_space is None:
        yield "network.address_space is missing: a private stage needs one, such as 10.20.0.0/16"
    if settings.private and network.isolation == "none":
        yield "network.isolation is none: a private stage takes `own` or `workspace_managed`"
    if not settings.private and (network.isolation != "none" or network.address_space is not None):
        yield "network.isolation and network.address_space belong to private stages; remove them or set access: private"
    closed = network.isolation == "own" and network.existing is None and not network.package_downloads
    if closed and network.package_feed is None and settings.images == "own":
        yield (
            "network.package_downloads is false, and there is no network.package_feed: the stage's images are built in "
            "its network, and no package could be installed; set images to shared, or one of the two"
        )
    if not settings.private and settings.strict:
        yield f"network.access is public: {settings.stage} must be private (only a development stage may be public)"
    if network.address_space is not None and network.existing is None:
        length = ipaddress.ip_network(network.address_space).prefixlen
        if not LARGEST_NETWORK <= length <= SMALLEST_NETWORK:
            yield (
                f"network.address_space is a /{length}: the subnets need between "
                f"/{LARGEST_NETWORK} and /{SMALLEST_NETWORK}"
            )


def _images(settings: StageSettings) -> Iterator[str]:
    if settings.images == "own":
        return
    if not settings.shared_images:
        yield "images is shared, but the shared stack has no registry for them: set infra:images in Pulumi.shared.yaml"
    if settings.customer_managed_key is not None:
        yield "images is shared, and customer_managed_key does not encrypt what stages share; set images to own"
    builds = settings.stage == settings.project_stages.training
    if builds and settings.private and not (settings.network.package_downloads or settings.network.package_feed):
        yield (
            f"images is shared, and {settings.stage} builds them for every stage: set network.package_downloads or "
            "network.package_feed here"
        )


def _spark(settings: StageSettings) -> Iterator[str]:
    if settings.spark is not None and settings.network.isolation == "own":
        yield (
            "spark is given in a network of your own: serverless Spark joins only a workspace-managed network, and "
            "could not reach the storage; remove spark here, or set network.isolation to workspace_managed"
        )


def _serving(settings: StageSettings) -> Iterator[str]:
    isolation = settings.network.isolation
    if settings.serving == "kubernetes" and isolation == "workspace_managed":
        yield (
            "serving is kubernetes inside a workspace-managed network: Azure ML does not support Kubernetes compute "
            "there; set network.isolation to own, or serving to managed"
        )
    if settings.serving == "managed" and isolation == "own":
        yield (
            "serving is managed in a network of your own: managed endpoints cannot join it and could not reach the "
            "private registry; set network.isolation to workspace_managed, or serving to kubernetes"
        )
    if settings.serving == "kubernetes" and settings.kubernetes is None:
        yield "kubernetes is missing: serving is kubernetes"
    if settings.serving != "kubernetes" and settings.kubernetes is not None:
        serving = settings.serving
        yield f"kubernetes is given, but serving is {serving}: no cluster would be created; remove one of the two"
    if settings.serving == "batch" and settings.alerts.endpoint_exists:
        yield "alerts.endpoint_exists is true, but serving is batch: there is no online endpoint; leave it false"
    if settings.serving == "kubernetes" and settings.alerts.endpoint_exists:
        yield (
            "alerts.endpoint_exists is true, but serving is kubernetes: Azure Monitor measures nothing of such an "
            "endpoint, and no alert on it would ever fire; leave it false, its pods are monitored"
        )


def _kubernetes(settings: StageSettings) -> Iterator[str]:
    kubernetes = settings.kubernetes
    if kubernetes is None:
        return
    if kubernetes.min_nodes > kubernetes.max_nodes:
        yield f"kubernetes.min_nodes {kubernetes.min_nodes} is more than kubernetes.max_nodes {kubernetes.max_nodes}"
    if virtual_cpus(kubernetes.system_size) < SYSTEM_NODE_CPUS:
        yield f"kubernetes.system_size {kubernetes.system_size} has fewer than {SYSTEM_NODE_CPUS} virtual CPUs"
    yield from _nodes(kubernetes, has_subnet=settings.private and settings.network.existing is None)
    if settings.private and kubernetes.authorised_ranges:
        yield "kubernetes.authorised_ranges belongs to public clusters: a private cluster has no public address"
    if not settings.private and not kubernetes.authorised_ranges:
        yield "kubernetes.authorised_ranges is empty: a public cluster must name who may reach its control plane"
    if kubernetes.grafana and not kubernetes.prometheus:
        yield "kubernetes.grafana is true, but kubernetes.prometheus is not: there would be no metrics to show"
    if settings.strict and kubernetes.attach and kubernetes.tls is None:
        yield f"kubernetes.tls is missing: {settings.stage} must not score over plain http"
    space = settings.network.address_space
    if space and ipaddress.ip_network(space).overlaps(ipaddress.ip_network(kubernetes.service_range)):
        yield f"kubernetes.service_range {kubernetes.service_range} overlaps network.address_space {space}"


def _nodes(kubernetes: Kubernetes, *, has_subnet: bool) -> Iterator[str]:
    for key in ("system_size", "node_size"):
        size = getattr(kubernetes, key)
        if local_disk_gigabytes(size) < DISK_GIGABYTES:
            yield (
                f"kubernetes.{key} {size} has no local disk of {DISK_GIGABYTES} GiB for the nodes' system: take a size "
                "with a `d` and at least four virtual CPUs, such as Standard_D4ds_v5"
            )
    # Each node and each of its pods has an address in the subnet, and the router's load balancer another one.
    taken = kubernetes.most_nodes * (PODS_PER_NODE + 1) + 1
    free = 2 ** (ADDRESS_BITS - NODE_SUBNET) - RESERVED_ADDRESSES
    if has_subnet and taken > free:
        most = (free - 1) // (PODS_PER_NODE + 1) - (kubernetes.most_nodes - kubernetes.max_nodes)
        yield (
            f"kubernetes.max_nodes {kubernetes.max_nodes} needs {taken} addresses, and the nodes' subnet has {free}: "
            f"at most {most}"
        )


def _clusters(settings: StageSettings) -> Iterator[str]:
    yield from _cluster("cpu_cluster", settings.cpu_cluster, settings)
    if settings.gpu_cluster is not None:
        yield from _cluster("gpu_cluster", settings.gpu_cluster, settings)


def _cluster(key: str, cluster: Cluster, settings: StageSettings) -> Iterator[str]:
    if cluster.min_nodes > cluster.max_nodes:
        yield f"{key}.min_nodes {cluster.min_nodes} is more than {key}.max_nodes {cluster.max_nodes}"
    if cluster.max_nodes == 0:
        yield f"{key}.max_nodes is 0: no job could ever run"
    if settings.strict and cluster.min_nodes > 0:
        yield f"{key}.min_nodes is {cluster.min_nodes}: {settings.stage} must not pay for idle nodes; set 0"
    if settings.strict and cluster.spot:
        yield f"{key}.spot is true: a job of {settings.stage} must not be evicted"


def _ci(settings: StageSettings) -> Iterator[str]:
    yield from missing_ids(settings.ci.github)
    if settings.ci.github is None and settings.alerts.runbooks is None:
        yield "alerts.runbooks is missing: without ci.github, name the address where docs/observability.md can be read"


def _on_drift(settings: StageSettings) -> Iterator[str]:
    if settings.on_drift.github is not None and settings.ci.github is None:
        yield "on_drift.github is given, but ci.github is not: it names the repository to notify"


def _registry(settings: StageSettings) -> Iterator[str]:
    if settings.production and settings.registry.access == "user":
        yield f"registry.access is user: {settings.stage} only deploys what earlier stages published; set reader"


def _names(settings: StageSettings) -> Iterator[str]:
    naming = settings.naming
    names = Names(settings.project, settings.stage, settings.azure.subscription_id, naming.prefix, naming.generation)
    limits = {
        "resource group": (names.resource_group, GROUP_LIMIT),
        "workspace": (names.workspace, WORKSPACE_LIMIT),
        "registry": (names.model_registry, WORKSPACE_LIMIT),
        "endpoint": (names.endpoint, ENDPOINT_LIMIT),
    }
    for what, (name, limit) in limits.items():
        if len(name) > limit:
            yield (
                f"project '{settings.project}' is too long: the {what} '{name}' has {len(name)} characters, "
                f"at most {limit}; shorten it or naming.prefix"
            )


RULES: tuple[Callable[[StageSettings], Iterator[str]], ...] = (
    _profile,
    _network,
    _images,
    _spark,
    _serving,
    _kubernetes,
    _clusters,
    _ci,
    _on_drift,
    _registry,
    _names,
    platform_problems,
)
