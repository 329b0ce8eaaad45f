"""The storage account, its containers and its queue: data, collected requests, audit log, events."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import storage

from resources.base import BaseResources
from resources.context import Component
from settings.platform import CustomerManagedKey

DATA, COLLECTED, AUDIT, DEAD_LETTERS = "data", "collected", "audit", "dead-letters"
EVENT_QUEUE = "mlops-events"
SERVICES = ("blob", "queue", "table", "file")


class Storage(Component):
    """The account of a stage. Its keys are disabled: access is by role."""

    def __init__(self, base: BaseResources) -> None:
        super().__init__("storage")
        context, group = base.context, base.group
        self._context = context
        self._group = group
        self.account = self._account()
        self._retention()
        self.containers = {name: self._container(name) for name in (DATA, COLLECTED, DEAD_LETTERS)}
        # A container under retention cannot be deleted; it goes with its account.
        gone = pulumi.ResourceOptions(deleted_with=self.account)
        self.containers[AUDIT] = self._container(AUDIT, gone)
        self._immutable(self.containers[AUDIT])
        self.queue = storage.Queue(
            "event-queue",
            queue_name=EVENT_QUEUE,
            account_name=self.account.name,
            resource_group_name=group.name,
            opts=context.protected_options(self),
        )
        self._send_diagnostics(base)
        self.register_outputs({"account": self.account.name})

    def _account(self) -> storage.StorageAccount:
        context, profile = self._context, self._context.profile
        return storage.StorageAccount(
            "storage-account",
            account_name=context.names.storage_account,
            resource_group_name=self._group.name,
            location=context.location,
            kind="StorageV2",
            sku=storage.SkuArgs(name=profile.storage_sku),
            access_tier=storage.AccessTier.HOT,
            allow_shared_key_access=False,
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            default_to_o_auth_authentication=True,
            enable_https_traffic_only=True,
            is_local_user_enabled=False,
            minimum_tls_version="TLS1_2",
            public_network_access=profile.public_network_access,
            network_rule_set=storage.NetworkRuleSetArgs(
                default_action=storage.DefaultAction(profile.network_default_action), bypass="AzureServices"
            ),
            encryption=_encryption(context.settings.customer_managed_key),
            identity=_key_user(context.settings.customer_managed_key),
            tags=context.tags,
            opts=context.kept_options("storage:StorageAccount", self),
        )

    def _retention(self) -> None:
        days = self._context.profile.delete_retention_days
        storage.BlobServiceProperties(
            "blob-service",
            blob_services_name="default",
            account_name=self.account.name,
            resource_group_name=self._group.name,
            is_versioning_enabled=True,
            delete_retention_policy=storage.DeleteRetentionPolicyArgs(enabled=True, days=days),
            container_delete_retention_policy=storage.DeleteRetentionPolicyArgs(enabled=True, days=days),
            opts=self._context.replaceable_options(self),
        )
        storage.FileServiceProperties(
            "file-service",
            file_services_name="default",
            account_name=self.account.name,
            resource_group_name=self._group.name,
            share_delete_retention_policy=storage.DeleteRetentionPolicyArgs(enabled=True, days=days),
            opts=self._context.replaceable_options(self),
        )

    def _container(self, name: str, deletion: pulumi.ResourceOptions | None = None) -> storage.BlobContainer:
        return storage.BlobContainer(
            f"container-{name}",
            container_name=name,
            account_name=self.account.name,
            resource_group_name=self._group.name,
            public_access=storage.PublicAccess.NONE,
            opts=pulumi.ResourceOptions.merge(self._context.protected_options(self), deletion),
        )

    def _immutable(self, container: storage.BlobContainer) -> None:
        # Created unlocked: locking is final, so a person does it once (docs/infrastructure.md).
        storage.BlobContainerImmutabilityPolicy(
            "audit-immutability",
            account_name=self.account.name,
            container_name=container.name,
            resource_group_name=self._group.name,
            immutability_policy_name="default",
            immutability_period_since_creation_in_days=self._context.settings.audit_days,
            allow_protected_append_writes=True,
            # Deleting needs the policy's latest eTag, which the provider does not send.
            opts=pulumi.ResourceOptions.merge(
                self._context.kept_options("storage:BlobContainerImmutabilityPolicy", self),
                pulumi.ResourceOptions(retain_on_delete=True),
            ),
        )

    def _send_diagnostics(self, base: BaseResources) -> None:
        # Storage has these metrics, and refuses or rewrites the group of all.
        base.monitoring.send_diagnostics("storage", self.account.id, self, logs=(), metrics="Transaction")
        blobs = self.account.id.apply(lambda account: f"{account}/blobServices/default")
        base.monitoring.send_diagnostics("blobs", blobs, self, metrics="Transaction")


def _encryption(key: CustomerManagedKey | None) -> storage.EncryptionArgs:
    services = storage.EncryptionServicesArgs(
        **{name: storage.EncryptionServiceArgs(enabled=True, key_type="Account") for name in SERVICES}
    )
    if key is None:
        return storage.EncryptionArgs(
            key_source="Microsoft.Storage", require_infrastructure_encryption=True, services=services
        )
    return storage.EncryptionArgs(
        key_source="Microsoft.Keyvault",
        require_infrastructure_encryption=True,
        services=services,
        encryption_identity=storage.EncryptionIdentityArgs(encryption_user_assigned_identity=key.identity),
        key_vault_properties=storage.KeyVaultPropertiesArgs(key_name=key.name, key_vault_uri=key.vault_address),
    )


def _key_user(key: CustomerManagedKey | None) -> storage.IdentityArgs | None:
    if key is None:
        return None
    return storage.IdentityArgs(type="UserAssigned", user_assigned_identities=[key.identity])
