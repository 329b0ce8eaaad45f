"""CI's identities across the stages. A person deploys this stack: it grants rights, also to CI.

The rights are in ci_roles.py. The identity that deploys models to a stage belongs to that stage's stack.
"""

from __future__ import annotations

import pulumi
from pulumi_azure_native import authorization, managedidentity, resources

from ci_roles import CiGrant, CiScope, ci_grants
from conditions import VERSION
from naming import CI, SHARED, Names
from resources.context import Component, Outputs, names_of, tags_of
from resources.identity.access import named_assignment
from resources.identity.identities import AZURE_DEVOPS, Federation, github_federation, trust
from resources.workspace.storage import COLLECTED
from roles import Identity
from settings.ci import CiSettings
from settings.platform import Naming

CONTAINERS = "blobServices/default/containers"


def build_ci(settings: CiSettings) -> Outputs:
    """Declare the identities, whom they trust, and their rights; returns the stack's outputs."""
    names = names_of(settings.project, CI, settings.azure.subscription_id, settings.naming)
    tags = tags_of(settings.project, CI, settings.tags)
    group = resources.ResourceGroup(
        "resource-group",
        resource_group_name=names.resource_group,
        location=settings.azure.location,
        tags=tags,
    )
    identities = CiIdentities(settings, names, group.name, tags)
    return {
        "tenant_id": settings.azure.tenant_id,
        "resource_group": names.resource_group,
        **{output_of(environment): identities.client_id(environment) for environment in settings.environments},
    }


def output_of(environment: str) -> str:
    """The stack output that holds an environment's AZURE_CLIENT_ID."""
    return f"{environment.replace('-', '_')}_client_id"


class CiIdentities(Component):
    """One identity per environment, trusted for exactly that environment."""

    def __init__(self, settings: CiSettings, names: Names, group: pulumi.Input[str], tags: dict[str, str]) -> None:
        super().__init__("ci-identities")
        self._settings = settings
        self._names = names
        self._identities = {
            environment: managedidentity.UserAssignedIdentity(
                f"identity-{environment}",
                resource_name_=names.of("id", environment),
                resource_group_name=group,
                location=settings.azure.location,
                tags=tags,
                opts=pulumi.ResourceOptions(parent=self),
            )
            for environment in settings.environments
        }
        for environment, identity in self._identities.items():
            trust(identity, environment, trusted_for(settings, environment), group, self)
        for grant in ci_grants(settings):
            self._assign(grant)
        self.register_outputs({})

    def client_id(self, environment: str) -> pulumi.Output[str]:
        """The id that a login names."""
        return self._identities[environment].client_id

    def _assign(self, grant: CiGrant) -> None:
        scope, subscription = scope_of(self._settings, grant)
        principal_id = self._identities[grant.environment].principal_id
        role = grant.role.name.lower().replace("_", "-")
        authorization.RoleAssignment(
            f"{grant.environment}-{role}-on-{grant.stack}-{grant.scope}".replace(" ", "-"),
            role_assignment_name=named_assignment(scope, principal_id, grant.role.id),
            principal_id=principal_id,
            principal_type="ServicePrincipal",
            role_definition_id=grant.role.definition(subscription),
            scope=scope,
            description=grant.reason,
            condition=grant.condition or None,
            condition_version=VERSION if grant.condition else None,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )


def trusted_for(settings: CiSettings, environment: str) -> tuple[Federation, ...]:
    """Whose tokens an environment's identity accepts: one subject per issuer."""
    found = []
    if settings.ci.github is not None:
        found.append(github_federation(settings.ci.github, environment))
    devops = settings.ci.azure_devops
    if devops is not None and environment in devops.subjects:
        found.append(Federation(AZURE_DEVOPS, devops.issuer, devops.subjects[environment]))
    return tuple(found)


def scope_of(settings: CiSettings, grant: CiGrant) -> tuple[str, str]:
    """The resource id that a role is granted on, and its subscription. All of it is known before deployment."""
    if grant.scope in (CiScope.STATE, CiScope.STATE_KEY):
        return _state_id(settings, grant.scope), settings.state.subscription_id
    subscriptions = {SHARED: settings.shared_subscription_id, **settings.stages}
    naming = settings.stack_namings.get(grant.stack, Naming())
    names = names_of(settings.project, grant.stack, subscriptions[grant.stack], naming)
    if grant.scope is CiScope.LABELS:
        container = settings.retraining_reads[grant.stack].labels_container
        return f"{names.storage_id}/{CONTAINERS}/{container}", names.subscription_id
    found = {
        CiScope.GROUP: names.group_id,
        CiScope.WORKSPACE: names.workspace_id,
        CiScope.STORAGE: names.storage_id,
        CiScope.COLLECTED: f"{names.storage_id}/{CONTAINERS}/{COLLECTED}",
        CiScope.TOPIC: names.events_topic_id,
        CiScope.COMPUTE_IDENTITY: names.identity_id(Identity.COMPUTE),
        CiScope.ENDPOINT_IDENTITY: names.identity_id(Identity.ENDPOINT),
        CiScope.REGISTRY: names.model_registry_id,
        CiScope.IMAGES: names.container_registry_id,
    }
    return found[grant.scope], names.subscription_id


def _state_id(settings: CiSettings, scope: CiScope) -> str:
    state = settings.state
    group = f"/subscriptions/{state.subscription_id}/resourceGroups/{state.resource_group}/providers"
    if scope is CiScope.STATE_KEY:
        return f"{group}/Microsoft.KeyVault/vaults/{state.key_vault}/keys/{state.key}"
    account = f"{group}/Microsoft.Storage/storageAccounts/{state.storage_account}"
    return f"{account}/{CONTAINERS}/{state.container}"
