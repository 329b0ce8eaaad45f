"""The Azure ML workspace and its datastores, which are accessed by identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from naming import CPU_CLUSTER
from resources.base import BaseResources
from resources.context import Component
from resources.workspace.key_vault import KeyVault
from resources.workspace.storage import COLLECTED, DATA, Storage
from roles import Identity
from settings.platform import CustomerManagedKey


class WorkspaceDependencies(NamedTuple):
    """The resources that a workspace is created with."""

    storage: Storage
    key_vault: KeyVault
    images_id: pulumi.Input[str]
    """The container registry: the stage's own, or the one that the stages share."""


class Workspace(Component):
    """The workspace. `depends_on` must name the rights its identity needs before it is created."""

    def __init__(
        self, base: BaseResources, dependencies: WorkspaceDependencies, depends_on: Sequence[pulumi.Resource]
    ) -> None:
        super().__init__("workspace")
        self._base = base
        self.dependencies = dependencies
        self.workspace = self._workspace(dependencies, depends_on)
        self.name = self.workspace.name
        self.id = self.workspace.id
        for container in (DATA, COLLECTED):
            self._datastore(container, dependencies.storage)
        base.monitoring.send_diagnostics("workspace", self.id, self)
        self.register_outputs({"name": self.name})

    def _workspace(self, dependencies: WorkspaceDependencies, depends_on: Sequence[pulumi.Resource]) -> ml.Workspace:
        base, context = self._base, self._base.context
        identity = base.identities.resource_id(Identity.WORKSPACE)
        isolation, key = context.settings.network.isolation, context.settings.customer_managed_key
        # Spark jobs run as an identity that the workspace has, or as the user who submits them.
        others = [base.identities.resource_id(Identity.COMPUTE)] if context.settings.spark is not None else []
        return ml.Workspace(
            "workspace",
            workspace_name=context.names.workspace,
            resource_group_name=base.group.name,
            location=context.location,
            kind="Default",
            sku=ml.SkuArgs(name="Basic", tier=ml.SkuTier.BASIC),
            friendly_name=f"{context.settings.project} ({context.settings.stage})",
            identity=ml.ManagedServiceIdentityArgs(
                type="UserAssigned",
                user_assigned_identities=[identity, *others, *([key.identity] if key is not None else [])],
            ),
            encryption=_encryption(key),
            primary_user_assigned_identity=identity,
            storage_account=dependencies.storage.account.id,
            key_vault=dependencies.key_vault.vault.id,
            container_registry=dependencies.images_id,
            application_insights=base.monitoring.insights.id,
            system_datastores_auth_mode="Identity",
            public_network_access=context.profile.public_network_access,
            managed_network=ml.ManagedNetworkSettingsArgs(
                isolation_mode="AllowOnlyApprovedOutbound" if isolation == "workspace_managed" else "Disabled",
                outbound_rules=self._ways_of_spark(dependencies.storage) if isolation == "workspace_managed" else None,
            ),
            # A registry without public access cannot build images itself: the cluster does.
            image_build_compute=CPU_CLUSTER if isolation == "own" else None,
            v1_legacy_mode=False,
            tags=context.tags,
            opts=context.kept_options("machinelearningservices:Workspace", self, depends_on),
        )

    def _ways_of_spark(self, storage: Storage) -> dict[str, ml.PrivateEndpointOutboundRuleArgs] | None:
        """Private endpoints of the storage that Spark's machines may use; Azure's own are for the others only."""
        if self._base.context.settings.spark is None:
            return None
        return {
            f"spark-{part}": ml.PrivateEndpointOutboundRuleArgs(
                type="PrivateEndpoint",
                category="UserDefined",
                destination=ml.PrivateEndpointDestinationArgs(
                    service_resource_id=storage.account.id, subresource_target=part, spark_enabled=True
                ),
            )
            for part in ("blob", "file")
        }

    def _datastore(self, container: str, storage: Storage) -> ml.Datastore:
        return ml.Datastore(
            f"datastore-{container}",
            name=container,
            workspace_name=self.workspace.name,
            resource_group_name=self._base.group.name,
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
            opts=self._base.context.protected_options(self),
        )


def _encryption(key: CustomerManagedKey | None) -> ml.EncryptionPropertyArgs | None:
    if key is None:
        return None
    return ml.EncryptionPropertyArgs(
        status="Enabled",
        identity=ml.IdentityForCmkArgs(user_assigned_identity=key.identity),
        key_vault_properties=ml.KeyVaultPropertiesArgs(key_identifier=key.key, key_vault_arm_id=key.key_vault),
    )
