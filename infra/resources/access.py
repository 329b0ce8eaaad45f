"""Role assignments: carries out the table of roles.py, scope by scope as the scopes come into being."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import authorization

from naming import assignment_name
from resources.context import Component, Context
from resources.identities import Identities, identity_name
from roles import Grant, Group, Machine, Scope, grants_of


class Access:
    """Makes the role assignments of a stage, each scope once."""

    def __init__(self, context: Context, identities: Identities) -> None:
        self._context = context
        self._identities = identities
        self._left = list(grants_of(context.settings))

    def on(self, scope: Scope, scope_id: pulumi.Input[str], known_as: str) -> ScopeAccess:
        """Everything granted on one scope. `known_as` names it where its id is not known yet."""
        grants = [grant for grant in self._left if grant.on is scope]
        self._left = [grant for grant in self._left if grant.on is not scope]
        return ScopeAccess(self._context, self._identities, scope, scope_id, known_as, grants)

    def close(self) -> None:
        """Raises LookupError when a grant of the table was never carried out."""
        if self._left:
            lost = ", ".join(f"{grant.role.title} on {grant.on}" for grant in self._left)
            raise LookupError(f"no resource of this stage carries out: {lost}; call Access.on with that scope")


class ScopeAccess(Component):
    """The role assignments on one scope; `assignments` is what a user of them waits for."""

    def __init__(
        self,
        context: Context,
        identities: Identities,
        scope: Scope,
        scope_id: pulumi.Input[str],
        known_as: str,
        grants: list[Grant],
    ) -> None:
        super().__init__(f"access-{scope.replace(' ', '-')}")
        self._context = context
        self._identities = identities
        self._known_as = known_as
        self.assignments = [self._assignment(grant, scope_id) for grant in grants]
        self.register_outputs({})

    def _assignment(self, grant: Grant, scope_id: pulumi.Input[str]) -> authorization.RoleAssignment:
        context = self._context
        if isinstance(grant.who, Machine):
            principal: pulumi.Input[str] = self._identities.principal_id(grant.who)
            known_as, kind = identity_name(context, grant.who), "ServicePrincipal"
        else:
            principal = known_as = _group_id(context, grant.who)
            kind = "Group"
        role = grant.role.name.lower().replace("_", "-")
        return authorization.RoleAssignment(
            f"{grant.who}-{role}-on-{grant.on}".replace(" ", "-"),
            role_assignment_name=assignment_name(self._known_as, known_as, grant.role.id),
            principal_id=principal,
            principal_type=kind,
            role_definition_id=grant.role.definition(_subscription(context, grant.on)),
            scope=scope_id,
            description=grant.reason,
            opts=context.passing(self),
        )


def _subscription(context: Context, scope: Scope) -> str:
    settings = context.settings
    return settings.registry.subscription_id if scope is Scope.REGISTRY else settings.azure.subscription_id


def _group_id(context: Context, group: Group) -> str:
    found = getattr(context.settings.people, group.value)
    if found is None:
        raise LookupError(f"people.{group} is not set, yet something is granted to it")
    return found
