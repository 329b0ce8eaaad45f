"""What Azure decides once, when a resource is created, as a table: each property with its reason and a source.

A changed setting must not be reported as done where Azure ignores or refuses it: the program declares that it replaces
the resource, and what holds data is protected from that in every stage. The rehearsal (tests/rehearsal/) refuses them.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

DOCS = "https://learn.microsoft.com/azure"


@dataclass(frozen=True)
class CreateOnly:
    """A property, at a path below a resource's inputs, that keeps the value of the resource's creation."""

    type_: str
    path: str
    reason: str
    source: str


CREATE_ONLY: tuple[CreateOnly, ...] = (
    CreateOnly(
        "storage:StorageAccount",
        "encryption.keySource",
        "storage would take a key later, but workspace and images would not: the account decides for all three",
        f"{DOCS}/machine-learning/concept-customer-managed-keys#limitations",
    ),
    CreateOnly(
        "storage:StorageAccount",
        "sku.name",
        "copies in one zone become copies in several by a conversion only (`az storage account migration start`)",
        f"{DOCS}/storage/common/redundancy-migration",
    ),
    CreateOnly(
        "storage:BlobContainerImmutabilityPolicy",
        "immutabilityPeriodSinceCreationInDays",
        "a change needs the policy's latest eTag, which the provider does not send",
        "https://github.com/pulumi/pulumi-azure-native/issues/2156",
    ),
    CreateOnly(
        "keyvault:Vault",
        "properties.softDeleteRetentionInDays",
        "the time for which what was deleted can be recovered is fixed",
        f"{DOCS}/key-vault/general/soft-delete-overview",
    ),
    CreateOnly(
        "machinelearningservices:Workspace",
        "managedNetwork.isolationMode",
        "Azure takes it only after every compute and managed endpoint was deleted, and never takes it back",
        f"{DOCS}/machine-learning/how-to-managed-network",
    ),
    CreateOnly(
        "network:VirtualNetwork",
        "addressSpace.addressPrefixes",
        "a range with subnets in use cannot be changed",
        f"{DOCS}/virtual-network/manage-virtual-network",
    ),
    CreateOnly(
        "containerservice:ManagedCluster",
        "apiServerAccessProfile.enablePrivateCluster",
        "a cluster's control plane is private or public for good",
        f"{DOCS}/aks/private-clusters",
    ),
    CreateOnly(
        "containerservice:ManagedCluster",
        "agentPoolProfiles[0].vmSize",
        "a node pool keeps its size, and the first pool belongs to the cluster",
        f"{DOCS}/aks/manage-node-pools",
    ),
)


def replaced(type_: str) -> pulumi.ResourceOptions:
    """Options of a resource of a type, with which a change of what is fixed replaces it."""
    paths = [each.path for each in CREATE_ONLY if each.type_ == type_]
    return pulumi.ResourceOptions(replace_on_changes=paths or None, delete_before_replace=True)
