"""Role assignments: applies the table of roles.py, scope by scope, once the scope is declared."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import authorization

from naming import assignment_name
from resources.context import Component, Context
from resources.identity.identities import Identities
from roles import Grant, Group, Identity, Scope, grants_of


class Access:
    """Declares the role assignments of a stage, each scope once."""

    def __init__(self, context: Context, identities: Identities) -> None:
        self._context = context
        self._identities = identities
        self._pending = list(grants_of(context.settings))
        self._granted: dict[Scope, list[pulumi.Resource]] = {}

    def grant(self, scope: Scope, scope_id: pulumi.Input[str]) -> list[pulumi.Resource]:
        """Every role assignment on one scope, for what must wait for them."""
        grants = [grant for grant in self._pending if grant.scope is scope]
        self._pending = [grant for grant in self._pending if grant.scope is not scope]
        granted: list[pulumi.Resource] = list(
            ScopeAccess(self._context, self._identities, scope, scope_id, grants).assignments
        )
        self._granted[scope] = granted
        return granted

    def granted(self, *scopes: Scope) -> list[pulumi.Resource]:
        """The role assignments on some scopes, once they are declared."""
        return [assignment for scope in scopes for assignment in self._granted.get(scope, ())]

    def check_complete(self) -> None:
        """Raises LookupError when a grant of the table was never applied."""
        if self._pending:
            lost = ", ".join(f"{grant.role.title} on {grant.scope}" for grant in self._pending)
            raise LookupError(f"no resource of this stage applies: {lost}; call Access.grant with that scope")


class ScopeAccess(Component):
    """The role assignments on one scope."""

    def __init__(
        self,
        context: Context,
        identities: Identities,
        scope: Scope,
        scope_id: pulumi.Input[str],
        grants: list[Grant],
    ) -> None:
        super().__init__(f"access-{scope.replace(' ', '-')}")
        self._context = context
        self._identities = identities
        self.assignments = [self._assignment(grant, scope_id) for grant in grants]
        self.register_outputs({})

    def _assignment(self, grant: Grant, scope_id: pulumi.Input[str]) -> authorization.RoleAssignment:
        context = self._context
        if isinstance(grant.principal, Identity):
            principal_id: pulumi.Input[str] = self._identities.principal_id(grant.principal)
            kind = "ServicePrincipal"
        else:
            principal_id, kind = _group_id(context, grant.principal), "Group"
        role = grant.role.name.lower().replace("_", "-")
        return authorization.RoleAssignment(
            f"{grant.principal}-{role}-on-{grant.scope}".replace(" ", "-"),
            role_assignment_name=named_assignment(_scope_key(context, grant.scope), principal_id, grant.role.id),
            principal_id=principal_id,
            principal_type=kind,
            role_definition_id=grant.role.definition(_subscription(context, grant.scope)),
            scope=scope_id,
            description=grant.reason,
            opts=context.replaceable_options(self),
        )


def named_assignment(scope: str, principal_id: pulumi.Input[str], role_id: str) -> pulumi.Output[str]:
    """The name of a role assignment, from the principal's id: an identity that is made again has another one.

    Azure refuses to give an assignment another principal, and one that an earlier identity left behind keeps its name.
    """
    return pulumi.Output.from_input(principal_id).apply(lambda principal: assignment_name(scope, principal, role_id))


def _scope_key(context: Context, scope: Scope) -> str:
    """What the assignment's name is derived from: a scope's id is not known before deployment."""
    elsewhere = {
        Scope.REGISTRY: context.model_registry_id,
        Scope.CONTAINER_REGISTRY: context.shared_images_id,
        Scope.WORKSPACE_BEFORE: context.workspace_before_id,
    }
    return elsewhere.get(scope) or f"{context.names.group_id}/{scope}"


def _subscription(context: Context, scope: Scope) -> str:
    settings = context.settings
    elsewhere = {
        Scope.REGISTRY: settings.registry.subscription_id,
        Scope.CONTAINER_REGISTRY: settings.registry.subscription_id if settings.images == "shared" else None,
        Scope.WORKSPACE_BEFORE: settings.subscription_before,
    }
    return elsewhere.get(scope) or settings.azure.subscription_id


def _group_id(context: Context, group: Group) -> str:
    found = getattr(context.settings.people, group.value)
    if found is None:
        raise LookupError(f"people.{group} is not set, but roles are granted to it")
    return found
