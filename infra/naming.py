"""Names and resource ids: the one place that makes them, so that both are known before anything is deployed.

Names follow Microsoft's abbreviations. Where a name must be unique in the world or in a region, a suffix hashed
from the subscription, the project and the stack makes it so, and stays the same from run to run.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

GROUP_LIMIT = 90
WORKSPACE_LIMIT = 33
ENDPOINT_LIMIT = 32
SUFFIX_LENGTH = 5
SHORT_PROJECT = 10
SHORT_ROOM = 22  # what the shortest limit, Grafana's 23 characters, leaves beside its prefix
SHARED = "shared"
CI = "ci"
CPU_CLUSTER = "cpu-cluster"
GPU_CLUSTER = "gpu-cluster"
KUBERNETES_COMPUTE = "kubernetes"
ASSIGNMENT_NAMESPACE = uuid.UUID("7f1d9a9e-2f0b-5f0e-9c56-5a3c1d1f4a10")


@dataclass(frozen=True)
class Names:
    """The names of one stack. `stack` is a stage's name, `shared` or `ci`.

    `prefix` and `generation` are the stack's `infra:naming` (settings/platform.py).
    """

    project: str
    stack: str
    subscription_id: str
    prefix: str = ""
    generation: int = 1

    @property
    def suffix(self) -> str:
        """A few characters that distinguish this stack from all others in the world."""
        generation = [str(self.generation)] if self.generation > 1 else []
        text = "/".join([self.subscription_id.lower(), self.project, self.stack, *generation])
        return hashlib.sha256(text.encode()).hexdigest()[:SUFFIX_LENGTH]

    def of(self, prefix: str, *what: str) -> str:
        """A name that is unique inside the resource group, such as `vnet-churn-dev`."""
        return "-".join([prefix, *self._owner, self.stack, *self._number, *what])

    def short(self, prefix: str) -> str:
        """A name unique in the world, without hyphens, of at most 24 characters."""
        room = min(SHORT_PROJECT, SHORT_ROOM - len(self.stack) - SUFFIX_LENGTH)
        return f"{prefix}{''.join(self._owner).replace('-', '')[:room]}{self.stack}{self.suffix}"

    @property
    def resource_group(self) -> str:
        """The resource group of the stack."""
        return self.of("rg")

    @property
    def workspace(self) -> str:
        """The Azure ML workspace."""
        return self.of("mlw")

    @property
    def storage_account(self) -> str:
        """The storage account."""
        return self.short("st")

    @property
    def container_registry(self) -> str:
        """The registry of images; unique in the world."""
        return self.short("cr")

    @property
    def events_topic(self) -> str:
        """The topic to which `mlops` publishes drift and releases; unique within an Azure region."""
        return self.of("evgt", self.suffix)

    @property
    def drift_namespace(self) -> str:
        """The Service Bus namespace in which drift waits for its handler; unique in the world."""
        return self.of("sbns", self.suffix)

    @property
    def handler_vault(self) -> str:
        """The key vault of the drift handler; unique in the world."""
        return self.short("kh")

    @property
    def grafana(self) -> str:
        """The managed Grafana; Azure allows 23 characters here."""
        return self.short("g")

    @property
    def model_registry(self) -> str:
        """The Azure ML registry; the same for every stage."""
        return "-".join(["mlr", *self._owner, *self._number])

    @property
    def endpoint(self) -> str:
        """The online endpoint; unique within an Azure region."""
        return "-".join([*self._owner, self.stack, self.suffix])

    @property
    def group_id(self) -> str:
        """The resource id of the resource group."""
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"

    @property
    def workspace_id(self) -> str:
        """The resource id of the workspace."""
        return self.id_of("Microsoft.MachineLearningServices", "workspaces", self.workspace)

    @property
    def endpoint_id(self) -> str:
        """The resource id of the online endpoint."""
        return f"{self.workspace_id}/onlineEndpoints/{self.endpoint}"

    @property
    def storage_id(self) -> str:
        """The resource id of the storage account."""
        return self.id_of("Microsoft.Storage", "storageAccounts", self.storage_account)

    @property
    def container_registry_id(self) -> str:
        """The resource id of the registry of images."""
        return self.id_of("Microsoft.ContainerRegistry", "registries", self.container_registry)

    @property
    def events_topic_id(self) -> str:
        """The resource id of the topic."""
        return self.id_of("Microsoft.EventGrid", "topics", self.events_topic)

    def identity_id(self, *what: str) -> str:
        """The resource id of one of the stack's identities."""
        return self.id_of("Microsoft.ManagedIdentity", "userAssignedIdentities", self.of("id", *what))

    @property
    def model_registry_id(self) -> str:
        """The resource id of the registry, when these are the names of the shared stack."""
        return self.id_of("Microsoft.MachineLearningServices", "registries", self.model_registry)

    @property
    def _owner(self) -> list[str]:
        return [self.prefix, self.project] if self.prefix else [self.project]

    @property
    def _number(self) -> list[str]:
        return [str(self.generation)] if self.generation > 1 else []

    def id_of(self, provider: str, *path: str) -> str:
        """The resource id of a resource in the resource group: `path` is type, name, type, name, …"""
        return "/".join([self.group_id, "providers", provider, *path])


def assignment_name(scope: str, principal: str, role_id: str) -> str:
    """The GUID that names a role assignment: the same for the same three, so that a second run changes nothing."""
    return str(uuid.uuid5(ASSIGNMENT_NAMESPACE, f"{scope}|{principal}|{role_id}".lower()))
