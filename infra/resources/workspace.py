"""The Azure ML workspace and its datastores, which are read by identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from naming import CPU_CLUSTER
from resources.container_registry import ContainerRegistry
from resources.context import Component, Context
from resources.group import ResourceGroup
from resources.identities import Identities
from resources.key_vault import KeyVault
from resources.monitoring import Monitoring
from resources.storage import COLLECTED, DATA, Storage
from roles import Machine


class Belongings(NamedTuple):
    """What a workspace is made on."""

    monitoring: Monitoring
    storage: Storage
    key_vault: KeyVault
    container_registry: ContainerRegistry


class Workspace(Component):
    """The workspace. `ready` must name the rights its identity needs before it is made."""

    def __init__(
        self,
        context: Context,
        group: ResourceGroup,
        identities: Identities,
        belongings: Belongings,
        ready: Sequence[pulumi.Resource],
    ) -> None:
        super().__init__("workspace")
        self._context = context
        self._group = group
        self.workspace = self._workspace(identities, belongings, ready)
        self.name = self.workspace.name
        self.id = self.workspace.id
        self.datastores = [self._datastore(name, belongings.storage) for name in (DATA, COLLECTED)]
        belongings.monitoring.watch("workspace", self.id, self)
        self.register_outputs({"name": self.name})

    def _workspace(
        self, identities: Identities, belongings: Belongings, ready: Sequence[pulumi.Resource]
    ) -> ml.Workspace:
        context = self._context
        identity = identities.of(Machine.WORKSPACE)
        own_network = context.settings.network.isolation == "own"
        return ml.Workspace(
            "workspace",
            workspace_name=context.names.workspace,
            resource_group_name=self._group.name,
            location=context.location,
            kind="Default",
            sku=ml.SkuArgs(name="Basic", tier=ml.SkuTier.BASIC),
            friendly_name=f"{context.settings.project} ({context.settings.stage})",
            identity=ml.ManagedServiceIdentityArgs(type="UserAssigned", user_assigned_identities=[identity]),
            primary_user_assigned_identity=identity,
            storage_account=belongings.storage.account.id,
            key_vault=belongings.key_vault.vault.id,
            container_registry=belongings.container_registry.registry.id,
            application_insights=belongings.monitoring.insights.id,
            system_datastores_auth_mode="Identity",
            public_network_access=context.posture.public_network_access,
            managed_network=ml.ManagedNetworkSettingsArgs(isolation_mode=_isolation(context)),
            # A registry without public access cannot build images itself: the cluster does.
            image_build_compute=CPU_CLUSTER if own_network else None,
            v1_legacy_mode=False,
            tags=context.tags,
            opts=context.lasting(self, ready),
        )

    def _datastore(self, container: str, storage: Storage) -> ml.Datastore:
        return ml.Datastore(
            f"datastore-{container}",
            name=container,
            workspace_name=self.workspace.name,
            resource_group_name=self._group.name,
            skip_validation=True,
            properties=ml.AzureBlobDatastoreArgs(
                datastore_type="AzureBlob",
                account_name=storage.account.name,
                container_name=storage.containers[container].name,
                endpoint="core.windows.net",
                protocol="https",
                credentials=ml.NoneDatastoreCredentialsArgs(credentials_type="None"),
                service_data_access_auth_identity="WorkspaceUserAssignedIdentity",
            ),
            opts=self._context.lasting(self),
        )


def _isolation(context: Context) -> str:
    return "AllowOnlyApprovedOutbound" if context.settings.network.isolation == "workspace_managed" else "Disabled"
