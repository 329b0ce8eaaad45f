"""What the stages share: the Azure ML registry through which models are promoted, and a registry of images."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import authorization, resources
from pulumi_azure_native import machinelearningservices as ml

from naming import SHARED, Names, assignment_name
from resources.context import Component, Outputs, names_of, tags_of
from resources.locks import Locked, Locks
from resources.monitoring.alerts import ActionGroup
from resources.monitoring.budget import Budget
from resources.workspace.container_registry import SharedContainerRegistry
from roles import Role
from settings.shared import SharedSettings


def build_shared(settings: SharedSettings) -> Outputs:
    """Declare every resource of the shared stack; returns the stack's outputs.

    Both registries are protected against deletion: they hold every stage's models and images.
    """
    names = names_of(settings.project, SHARED, settings.azure.subscription_id, settings.naming)
    tags = tags_of(settings.project, SHARED, settings.tags)
    protected = pulumi.ResourceOptions(protect=True)
    group = resources.ResourceGroup(
        "resource-group",
        resource_group_name=names.resource_group,
        location=settings.azure.location,
        tags=tags,
        opts=protected,
    )
    registry = ModelRegistry(settings, names, group.name, tags)
    if settings.images:
        SharedContainerRegistry(settings, names, group.name, tags)
    action_group = ActionGroup(names, settings.alerts.receivers, group.name, protected, tags)
    Budget(names.of("budget"), group.id, settings.budget, action_group, settings.today)
    return {
        "subscription_id": settings.azure.subscription_id,
        "resource_group": group.name,
        "location": settings.azure.location,
        "registry": registry.name,
    }


class ModelRegistry(Component):
    """The registry, and which people may read or use it. Identities get their rights from their stage's stack."""

    def __init__(self, settings: SharedSettings, names: Names, group: pulumi.Input[str], tags: dict[str, str]) -> None:
        super().__init__("model-registry")
        self._settings = settings
        self._names = names
        self.registry = ml.Registry(
            "registry",
            registry_name=names.model_registry,
            resource_group_name=group,
            location=settings.azure.location,
            identity=ml.ManagedServiceIdentityArgs(type="SystemAssigned"),
            public_network_access="Enabled" if settings.public_access else "Disabled",
            region_details=[_region(region, settings.storage) for region in settings.regions],
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        self.name = self.registry.name
        self._grants: list[pulumi.Resource] = []
        for stage, reader in settings.people.readers.items():
            self._grant(f"readers-{stage}", reader, Role.READER, f"people of {stage} look up models")
        for stage, user in settings.people.users.items():
            self._grant(f"users-{stage}", user, Role.REGISTRY_USER, f"people of {stage} publish models")
        if settings.locked:
            Locks({"registry": Locked(self.registry.id, "keep-the-models", "Every stage's models")}, self._grants)
        self.register_outputs({"name": self.name})

    def _grant(self, name: str, group_id: str, role: Role, reason: str) -> None:
        assignment = authorization.RoleAssignment(
            f"registry-{name}",
            role_assignment_name=assignment_name(self._names.model_registry_id, group_id, role.id),
            principal_id=group_id,
            principal_type="Group",
            role_definition_id=role.definition(self._settings.azure.subscription_id),
            scope=self.registry.id,
            description=reason,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self._grants.append(assignment)


def _region(region: str, storage: str) -> ml.RegistryRegionArmDetailsArgs:
    return ml.RegistryRegionArmDetailsArgs(
        location=region,
        acr_details=[
            ml.AcrDetailsArgs(system_created_acr_account=ml.SystemCreatedAcrAccountArgs(acr_account_sku="Premium"))
        ],
        storage_account_details=[
            ml.StorageAccountDetailsArgs(
                system_created_storage_account=ml.SystemCreatedStorageAccountArgs(
                    storage_account_type=storage, storage_account_hns_enabled=False, allow_blob_public_access=False
                )
            )
        ],
    )
