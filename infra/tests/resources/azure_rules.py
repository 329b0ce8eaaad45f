"""Azure's rules that no model states, as a table: each with its source, the resources it is about, and its check.

A rule is checked over the declared resources of every variant (test_azure_rules.py). What only shows at a second run is
in tests/rehearsal/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dry_run.result import DryRun
from tests.resources import azure_checks as checks
from tests.resources.azure_checks import (
    ASSIGNMENT,
    BUDGET,
    CLUSTER,
    COMPUTE,
    EXTENSION,
    LOCK,
    NAMESPACE,
    POLICY,
    POOL,
    SETTING,
    SUBSCRIPTIONS,
    VAULT,
    WORKSPACE,
)

LEARN = "https://learn.microsoft.com/azure"
ML = f"{LEARN}/machine-learning"


@dataclass(frozen=True)
class AzureRule:
    """One rule: `check` yields a sentence for each resource that breaks it; `types` are those it is about."""

    name: str
    types: tuple[str, ...]
    source: str
    check: Callable[[DryRun], Iterator[str]]


RULES: tuple[AzureRule, ...] = (
    AzureRule(
        "a budget starts on the first day of a month",
        (BUDGET,),
        "https://learn.microsoft.com/rest/api/consumption/budgets/create-or-update",
        checks.budget_starts_on_the_first,
    ),
    AzureRule(
        "a changed budget is made again, and time alone is no change",
        (BUDGET,),
        "https://github.com/hashicorp/terraform-provider-azurerm/issues/21050",
        checks.budget_is_replaced,
    ),
    AzureRule(
        "the autoscaler owns the number of nodes",
        (CLUSTER, POOL),
        "https://github.com/pulumi/pulumi-azure-native/issues/1532",
        checks.autoscaler_owns_the_count,
    ),
    AzureRule(
        "an ephemeral disk needs a local one",
        (CLUSTER, POOL),
        f"{LEARN}/aks/concepts-storage#ephemeral-os-disk",
        checks.ephemeral_disks_fit,
    ),
    AzureRule(
        "nodes are in all zones or in none",
        (CLUSTER, POOL),
        f"{LEARN}/aks/availability-zones",
        checks.zones_are_a_setting,
    ),
    AzureRule(
        "nodes and pods fit into their subnet",
        (CLUSTER, POOL),
        f"{LEARN}/aks/azure-cni-overview",
        checks.nodes_fit_their_subnet,
    ),
    AzureRule(
        "a highly available router has three nodes",
        (EXTENSION,),
        f"{ML}/how-to-kubernetes-inference-routing-azureml-fe",
        checks.router_has_its_nodes,
    ),
    AzureRule(
        "the scoring namespace admits the router",
        (NAMESPACE,),
        f"{LEARN}/aks/concepts-managed-namespaces",
        checks.namespace_admits_the_router,
    ),
    AzureRule(
        "events reach closed storage by a system-assigned identity",
        SUBSCRIPTIONS,
        f"{LEARN}/event-grid/handler-storage-queues",
        checks.events_reach_closed_storage,
    ),
    AzureRule(
        "a topic has the identity that delivers",
        ("eventgrid:SystemTopic",),
        f"{LEARN}/event-grid/managed-service-identity",
        checks.topics_have_the_identity_that_delivers,
    ),
    AzureRule(
        "subscriptions wait for events that exist",
        SUBSCRIPTIONS,
        f"{LEARN}/event-grid/event-schema-machine-learning",
        checks.events_exist,
    ),
    AzureRule(
        "retention goes with its account",
        (POLICY,),
        "https://github.com/pulumi/pulumi-azure-native/issues/2156",
        checks.policies_are_retained,
    ),
    AzureRule(
        "a lock is deleted before what it covers",
        (LOCK,),
        f"{LEARN}/azure-resource-manager/management/lock-resources",
        checks.locks_wait_for_what_they_cover,
    ),
    AzureRule(
        "a lock can be removed by a reviewed change",
        (LOCK,),
        f"{LEARN}/azure-resource-manager/management/lock-resources",
        checks.locks_are_removable,
    ),
    AzureRule(
        "no right is granted twice",
        (ASSIGNMENT,),
        f"{LEARN}/role-based-access-control/troubleshooting",
        checks.assignments_are_unique,
    ),
    AzureRule(
        "a principal's type is named",
        (ASSIGNMENT,),
        f"{LEARN}/role-based-access-control/role-assignments-template#new-service-principal",
        checks.principals_are_typed,
    ),
    AzureRule(
        "container insights has its rule",
        (CLUSTER,),
        "https://github.com/hashicorp/terraform-provider-azurerm/issues/23510",
        checks.insights_have_their_rule,
    ),
    AzureRule(
        "storage is asked for metrics that it has",
        (SETTING,),
        "https://github.com/Azure/bicep-registry-modules/pull/380",
        checks.storage_metrics_exist,
    ),
    AzureRule(
        "not every read of a cluster is logged",
        (SETTING,),
        f"{LEARN}/aks/monitor-aks",
        checks.audit_of_clusters_is_chosen,
    ),
    AzureRule(
        "a daily cap has an alert",
        ("operationalinsights:Workspace",),
        f"{LEARN}/azure-monitor/logs/daily-cap",
        checks.caps_are_watched,
    ),
    AzureRule(
        "a change that Azure ignores replaces the compute",
        (COMPUTE,),
        "https://github.com/Azure/azure-rest-api-specs/issues/18889",
        checks.changes_that_azure_ignores_replace,
    ),
    AzureRule(
        "a stage that builds images reaches packages",
        (WORKSPACE,),
        f"{ML}/how-to-secure-workspace-vnet",
        checks.images_can_be_built,
    ),
    AzureRule(
        "a closed stage reaches the images that it runs",
        (WORKSPACE, "network:PrivateEndpoint"),
        f"{ML}/how-to-secure-workspace-vnet",
        checks.images_are_reached_privately,
    ),
    AzureRule(
        "training reaches the services of Azure ML",
        ("network:NetworkSecurityGroup",),
        f"{ML}/how-to-access-azureml-behind-firewall",
        checks.training_reaches_azure,
    ),
    AzureRule(
        "studio reads through private endpoints",
        ("network:PrivateEndpoint",),
        f"{ML}/how-to-managed-network",
        checks.studio_reads_private_endpoints,
    ),
    AzureRule(
        "no machine size is being retired",
        (COMPUTE, CLUSTER, POOL),
        f"{LEARN}/virtual-machines/sizes/retirement/retired-sizes-list",
        checks.sizes_are_not_retired,
    ),
    AzureRule(
        "purge protection is true or left out",
        (VAULT,),
        f"{LEARN}/key-vault/general/soft-delete-overview",
        checks.vaults_leave_false_out,
    ),
)
