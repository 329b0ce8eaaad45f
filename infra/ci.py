"""CI's identities across the stages, put together. A person brings this stack up: it hands out rights, also to CI.

Which rights these are stands in ci_roles.py. The identity that rolls out to a stage is made by that stage's stack.
"""

from __future__ import annotations

import pulumi
from pulumi_azure_native import authorization, managedidentity, resources

from ci_roles import CiGrant, Place, ci_grants
from conditions import VERSION
from naming import CI, SHARED, Names, assignment_name
from resources.context import Component, tags_of
from resources.identities import AZURE_DEVOPS, Federation, github_federation, trust
from resources.storage import COLLECTED
from roles import Machine
from settings.ci import CiSettings, Environment

CONTAINERS = "blobServices/default/containers"
Outputs = dict[str, pulumi.Input[object]]


def build_ci(settings: CiSettings) -> Outputs:
    """Declare the identities, whom they trust, and their rights; what it gives back are the stack's outputs."""
    names = Names(settings.project, CI, settings.azure.subscription_id)
    tags = tags_of(settings.project, CI)
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


def output_of(environment: Environment) -> str:
    """The stack output that holds an environment's AZURE_CLIENT_ID."""
    return f"{environment.replace('-', '_')}_client_id"


class CiIdentities(Component):
    """One identity for each environment, trusted for exactly that environment."""

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
            self._grant(grant)
        self.register_outputs({})

    def client_id(self, environment: Environment) -> pulumi.Output[str]:
        """The id that a login names."""
        return self._identities[environment].client_id

    def _grant(self, grant: CiGrant) -> None:
        scope, subscription = place_of(self._settings, grant)
        role = grant.role.name.lower().replace("_", "-")
        authorization.RoleAssignment(
            f"{grant.who}-{role}-on-{grant.part}-{grant.on}".replace(" ", "-"),
            role_assignment_name=assignment_name(scope, self._names.of("id", grant.who), grant.role.id),
            principal_id=self._identities[grant.who].principal_id,
            principal_type="ServicePrincipal",
            role_definition_id=grant.role.definition(subscription),
            scope=scope,
            description=grant.reason,
            condition=grant.condition or None,
            condition_version=VERSION if grant.condition else None,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )


def trusted_for(settings: CiSettings, environment: Environment) -> tuple[Federation, ...]:
    """Whose tokens an environment's identity accepts: one subject an issuer."""
    found = []
    if settings.ci.github is not None:
        found.append(github_federation(settings.ci.github, environment))
    devops = settings.ci.azure_devops
    if devops is not None and environment in devops.subjects:
        found.append(Federation(AZURE_DEVOPS, devops.issuer, devops.subjects[environment]))
    return tuple(found)


def place_of(settings: CiSettings, grant: CiGrant) -> tuple[str, str]:
    """The resource id that a role is granted on, and the subscription it is in. All of it is known beforehand."""
    if grant.on in (Place.STATE, Place.STATE_KEY):
        return _state_id(settings, grant.on), settings.state.subscription_id
    subscriptions = {SHARED: settings.shared_subscription_id, **settings.stages}
    names = Names(settings.project, grant.part, subscriptions[grant.part])
    if grant.on is Place.LABELS:
        labels: dict[str, str] = {stage: rows.labels_container for stage, rows in settings.retraining_reads.items()}
        return f"{names.storage_id}/{CONTAINERS}/{labels[grant.part]}", names.subscription_id
    found = {
        Place.GROUP: names.group_id,
        Place.WORKSPACE: names.workspace_id,
        Place.STORAGE: names.storage_id,
        Place.COLLECTED: f"{names.storage_id}/{CONTAINERS}/{COLLECTED}",
        Place.TOPIC: names.events_topic_id,
        Place.COMPUTE_IDENTITY: names.identity_id(Machine.COMPUTE),
        Place.ENDPOINT_IDENTITY: names.identity_id(Machine.ENDPOINT),
        Place.REGISTRY: names.model_registry_id,
    }
    return found[grant.on], names.subscription_id


def _state_id(settings: CiSettings, place: Place) -> str:
    state = settings.state
    group = f"/subscriptions/{state.subscription_id}/resourceGroups/{state.resource_group}/providers"
    if place is Place.STATE_KEY:
        return f"{group}/Microsoft.KeyVault/vaults/{state.key_vault}/keys/{state.key}"
    account = f"{group}/Microsoft.Storage/storageAccounts/{state.storage_account}"
    return f"{account}/{CONTAINERS}/{state.container}"
