"""The managed identities of a stage, and who outside Azure may act as CI's. None of them has a secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pulumi
from pulumi_azure_native import managedidentity

from resources.context import Component, Context
from resources.group import ResourceGroup
from roles import OF_RESOURCES, Identity
from settings.stage import GitHub, StageSettings

TOKEN_AUDIENCE = "api://AzureADTokenExchange"  # noqa: S105 - an address, not a password
AZURE_DEVOPS = "azure-devops"
GITHUB_ISSUER = "https://token.actions.githubusercontent.com"


class Federation(NamedTuple):
    """An issuer of tokens outside Azure, and the subject that is trusted."""

    name: str
    issuer: str
    subject: str


class Identities(Component):
    """One user-assigned identity per member of Identity that the stage needs, and those that belong to resources."""

    def __init__(self, context: Context, group: ResourceGroup) -> None:
        super().__init__("identities")
        self._context = context
        self._group = group
        self._of_resources: dict[Identity, pulumi.Output[str]] = {}
        self._identities = {name: self._identity(name) for name in identities_of(context.settings)}
        ci = self._identities[Identity.CI]
        trust(ci, "ci", federations_of(context.settings), group.name, self)
        self.register_outputs({"ci_client_id": self.client_id(Identity.CI)})

    def resource_id(self, identity: Identity) -> pulumi.Output[str]:
        """The resource id of an identity."""
        return self._identities[identity].id

    def principal_id(self, identity: Identity) -> pulumi.Output[str]:
        """The object id that roles are granted to."""
        return self._of_resources.get(identity) or self._identities[identity].principal_id

    def add_of_resource(self, identity: Identity, principal_id: pulumi.Output[str]) -> None:
        """Name the object id of an identity that Azure made with its resource."""
        self._of_resources[identity] = principal_id

    def client_id(self, identity: Identity) -> pulumi.Output[str]:
        """The id that a login names."""
        return self._identities[identity].client_id

    def _identity(self, identity: Identity) -> managedidentity.UserAssignedIdentity:
        return managedidentity.UserAssignedIdentity(
            f"identity-{identity}",
            resource_name_=identity_name(self._context, identity),
            resource_group_name=self._group.name,
            location=self._context.location,
            tags=self._context.tags,
            opts=self._context.protected_options(self),
        )


def trust(
    identity: managedidentity.UserAssignedIdentity,
    name: str,
    federations: Sequence[Federation],
    group: pulumi.Input[str],
    parent: pulumi.Resource,
) -> None:
    """Let an identity accept tokens. Written one after another: Azure refuses concurrent writes to one identity."""
    before: list[pulumi.Resource] = []
    for federation in federations:
        credential = managedidentity.FederatedIdentityCredential(
            f"{name}-{federation.name}",
            federated_identity_credential_resource_name=federation.name,
            resource_name_=identity.name,
            resource_group_name=group,
            issuer=federation.issuer,
            subject=federation.subject,
            audiences=[TOKEN_AUDIENCE],
            opts=pulumi.ResourceOptions(parent=parent, depends_on=before, delete_before_replace=True),
        )
        before = [credential]


def identities_of(settings: StageSettings) -> tuple[Identity, ...]:
    """The identities that a stage needs."""
    kubernetes = settings.kubernetes
    needed = {
        Identity.CLUSTER: settings.serving == "kubernetes",
        Identity.GRAFANA: kubernetes is not None and kubernetes.grafana,
        Identity.HANDLER: settings.on_drift.enabled,
    }
    return tuple(identity for identity in Identity if identity not in OF_RESOURCES and needed.get(identity, True))


def identity_name(context: Context, identity: Identity) -> str:
    """The name of an identity."""
    return context.names.of("id", identity)


def federations_of(settings: StageSettings) -> tuple[Federation, ...]:
    """Whose tokens the CI identity accepts: exactly one subject per issuer, nothing for pull requests."""
    found = []
    if settings.ci.github is not None:
        found.append(github_federation(settings.ci.github, settings.stage))
    if settings.ci.azure_devops is not None:
        devops = settings.ci.azure_devops
        found.append(Federation(AZURE_DEVOPS, devops.issuer, devops.subject))
    return tuple(found)


def github_federation(github: GitHub, environment: str) -> Federation:
    """Trust in one environment of a repository on GitHub."""
    owner, repository = github.organisation, github.repository
    if github.subject == "immutable":
        owner, repository = f"{owner}@{github.organisation_id}", f"{repository}@{github.repository_id}"
    return Federation("github", GITHUB_ISSUER, f"repo:{owner}/{repository}:environment:{environment}")
