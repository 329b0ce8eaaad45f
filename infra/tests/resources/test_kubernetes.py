"""What Azure ML and AKS require of a cluster, and no validator checks."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
import yaml

from dry_run.result import DryRun
from settings.fields import virtual_cpus
from settings.project import ROOT
from tests.conftest import dry_run_of
from tests.resources.checklist import value_at

# What `mlops deploy` asks of a cluster.
KUBERNETES_DEPLOYMENT = ROOT / "endpoints" / "online" / "deployment.kubernetes.yml"


def test_azure_ml_needs_two_system_nodes_of_four_cpus(any_stage: DryRun) -> None:
    for cluster in any_stage.of("containerservice:ManagedCluster"):
        pool = cluster.inputs["agentPoolProfiles"][0]
        assert pool["mode"] == "System"
        assert pool["minCount"] >= 2
        assert virtual_cpus(pool["vmSize"]) >= 4


def test_azure_ml_needs_local_accounts_of_the_cluster(any_stage: DryRun) -> None:
    for cluster in any_stage.of("containerservice:ManagedCluster"):
        assert cluster.inputs["disableLocalAccounts"] is False


def test_minimum_node_counts_are_not_above_maximum(any_stage: DryRun) -> None:
    for compute in any_stage.of("machinelearningservices:Compute"):
        scale = value_at(compute, "properties.properties.scaleSettings")
        assert scale is None or 0 <= scale["minNodeCount"] <= scale["maxNodeCount"] > 0
    pools = [record.inputs for record in any_stage.of("containerservice:AgentPool")]
    for cluster in any_stage.of("containerservice:ManagedCluster"):
        pools += cluster.inputs["agentPoolProfiles"]
    for pool in pools:
        assert 0 <= pool["minCount"] <= pool["count"] <= pool["maxCount"]


def test_the_scoring_pool_may_be_empty() -> None:
    assert dry_run_of("staging").one("containerservice:AgentPool").inputs["minCount"] == 0


def test_kubernetes_is_never_in_a_managed_network(any_stage: DryRun) -> None:
    workspace = any_stage.one("machinelearningservices:Workspace")
    if any_stage.of("containerservice:ManagedCluster"):
        assert workspace.inputs["managedNetwork"]["isolationMode"] == "Disabled"


def test_the_cluster_is_in_the_workspaces_subscription(any_stage: DryRun) -> None:
    workspace = any_stage.one("machinelearningservices:Workspace")
    for cluster in any_stage.of("containerservice:ManagedCluster"):
        assert cluster.id.split("/")[2] == workspace.id.split("/")[2]


def test_strict_stages_score_over_tls(strict_stage: DryRun) -> None:
    for extension in strict_stage.of("kubernetesconfiguration:Extension"):
        settings = extension.inputs["configurationSettings"]
        assert settings["sslCname"]
        assert settings["sslSecret"]
        assert "allowInsecureConnections" not in settings


def test_the_extension_is_azure_mls() -> None:
    extension = dry_run_of("prod").one("kubernetesconfiguration:Extension").inputs
    assert extension["extensionType"] == "Microsoft.AzureML.Kubernetes"
    assert (extension["clusterRp"], extension["clusterResourceName"]) == (
        "Microsoft.ContainerService",
        "managedClusters",
    )
    assert extension["scope"]["cluster"]["releaseNamespace"] == "azureml"


def test_the_attached_namespace_exists(any_stage: DryRun) -> None:
    computes = any_stage.of("machinelearningservices:Compute")
    attached = [c for c in computes if c.inputs["properties"]["computeType"] == "Kubernetes"]
    for compute in attached:
        namespace = any_stage.one("containerservice:ManagedNamespace")
        assert compute.inputs["properties"]["properties"]["namespace"] == namespace.inputs["managedNamespaceName"]


@pytest.mark.skipif(not KUBERNETES_DEPLOYMENT.is_file(), reason="nothing is served online")
def test_a_pod_asks_for_less_than_its_instance_type_allows() -> None:
    # given the resources of every deployment on a cluster
    deployment = yaml.safe_load(KUBERNETES_DEPLOYMENT.read_text(encoding="utf-8"))["resources"]
    attached = dry_run_of("prod").one("machinelearningservices:Compute", "kubernetes-compute").inputs
    types = attached["properties"]["properties"]["instanceTypes"]
    # then Azure accepts it: limits below those of the instance type, requests not above the limits
    for type_ in types.values():
        for resource in ("cpu", "memory"):
            amounts = [
                deployment["requests"][resource],
                deployment["limits"][resource],
                type_["resources"]["limits"][resource],
            ]
            request, limit, most = (float(amount.removesuffix("Gi")) for amount in amounts)
            assert request <= limit < most


def test_the_service_range_does_not_overlap_the_network(strict_stage: DryRun) -> None:
    space = strict_stage.one("network:VirtualNetwork").inputs["addressSpace"]["addressPrefixes"][0]
    for cluster in strict_stage.of("containerservice:ManagedCluster"):
        profile = cluster.inputs["networkProfile"]
        assert not IPv4Network(space).overlaps(IPv4Network(profile["serviceCidr"]))
        assert IPv4Network(profile["serviceCidr"]).supernet_of(IPv4Network(f"{profile['dnsServiceIP']}/32"))
