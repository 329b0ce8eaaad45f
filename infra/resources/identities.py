"""The identities that machines act as, and who outside Azure may act as CI's. No secret belongs to any of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pulumi
from pulumi_azure_native import managedidentity

from resources.context import Component, Context
from resources.group import ResourceGroup
from roles import Machine
from settings.stage import GitHub, StageSettings

TOKEN_AUDIENCE = "api://AzureADTokenExchange"  # noqa: S105 - an address, no password
AZURE_DEVOPS = "azure-devops"
GITHUB_ISSUER = "https://token.actions.githubusercontent.com"


class Federation(NamedTuple):
    """An issuer of tokens outside Azure, and the subject it is trusted for."""

    name: str
    issuer: str
    subject: str


class Identities(Component):
    """One user-assigned identity for each kind of machine, by Machine."""

    def __init__(self, context: Context, group: ResourceGroup) -> None:
        super().__init__("identities")
        self._context = context
        self._group = group
        self._identities = {machine: self._identity(machine) for machine in machines_of(context.settings)}
        ci = self._identities[Machine.CI]
        trust(ci, "ci", federations_of(context.settings), group.name, self)
        self.register_outputs({"ci_client_id": self.client_id(Machine.CI)})

    def of(self, machine: Machine) -> pulumi.Output[str]:
        """The resource id of an identity."""
        return self._identities[machine].id

    def principal_id(self, machine: Machine) -> pulumi.Output[str]:
        """The object id that roles are granted to."""
        return self._identities[machine].principal_id

    def client_id(self, machine: Machine) -> pulumi.Output[str]:
        """The id that a login names."""
        return self._identities[machine].client_id

    def _identity(self, machine: Machine) -> managedidentity.UserAssignedIdentity:
        return managedidentity.UserAssignedIdentity(
            f"identity-{machine}",
            resource_name_=identity_name(self._context, machine),
            resource_group_name=self._group.name,
            location=self._context.location,
            tags=self._context.tags,
            opts=self._context.lasting(self),
        )


def trust(
    identity: managedidentity.UserAssignedIdentity,
    name: str,
    federations: Sequence[Federation],
    group: pulumi.Input[str],
    parent: pulumi.Resource,
) -> None:
    """Let an identity accept tokens. One after the other: Azure refuses such writes to one identity at once."""
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


def machines_of(settings: StageSettings) -> tuple[Machine, ...]:
    """The identities that a stage needs."""
    kubernetes = settings.kubernetes
    needed = {
        Machine.CLUSTER: settings.serving == "kubernetes",
        Machine.GRAFANA: kubernetes is not None and kubernetes.grafana,
        Machine.HANDLER: settings.on_drift.asks,
    }
    return tuple(machine for machine in Machine if needed.get(machine, True))


def identity_name(context: Context, machine: Machine) -> str:
    """What an identity is called."""
    return context.names.of("id", machine)


def federations_of(settings: StageSettings) -> tuple[Federation, ...]:
    """Whose tokens the CI identity accepts: exactly one subject an issuer, nothing for pull requests."""
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
