"""Who may do what on what: the role assignments of a dry run, with names instead of ids."""

from __future__ import annotations

from dataclasses import dataclass

from dry_run.monitor import own_principal_of, state_of
from dry_run.result import DryRun, ResourceRecord
from roles import Role
from settings.stage import People

IDENTITY = "managedidentity:UserAssignedIdentity"
ROLES = {role.id: role for role in Role}


@dataclass(frozen=True)
class Right:
    """One role assignment, readable; `person` where it is for a group of people."""

    principal: str
    person: bool
    role: str
    role_id: str
    scope: str
    scope_id: str
    reason: str
    urn: str


def rights_of(run: DryRun) -> tuple[Right, ...]:
    """Every right that a stack grants, sorted by principal and scope."""
    identities = {
        state_of(IDENTITY, record.inputs)["principalId"]: record.name.removeprefix("identity-")
        for record in run.of(IDENTITY)
    }
    # A topic's own identity has the topic's name.
    identities |= {
        own_principal_of(record): record.name for record in run.resources if own_principal_of(record) is not None
    }
    names = {record.id: record.name for record in run.resources}
    found = [_right(record, identities, names) for record in run.of("authorization:RoleAssignment")]
    return tuple(sorted(found, key=lambda right: (right.person, right.principal, right.scope, right.role)))


def _right(record: ResourceRecord, identities: dict[str, str], names: dict[str, str]) -> Right:
    inputs = record.inputs
    role_id = inputs["roleDefinitionId"].rsplit("/", maxsplit=1)[1]
    person = inputs["principalType"] == "Group"
    role = ROLES.get(role_id)
    return Right(
        principal=_group_name(record) if person else identities.get(inputs["principalId"], inputs["principalId"]),
        person=person,
        role=role.title if role else role_id,
        role_id=role_id,
        scope=names.get(inputs["scope"]) or _scope_elsewhere(inputs["scope"]),
        scope_id=inputs["scope"],
        reason=inputs.get("description", ""),
        urn=record.urn,
    )


def _scope_elsewhere(scope: str) -> str:
    """A scope in another stack: the names on its path, because `collected` alone could be any stage's."""
    group, _, resource = scope.partition("/providers/")
    names = [name for name in resource.split("/")[2::2] if name != "default"]
    return "/".join(names) or group.rsplit("/", maxsplit=1)[-1]


def _group_name(record: ResourceRecord) -> str:
    known = [group for group in People.model_fields if record.name.startswith(f"{group}-")]
    return known[0] if known else record.name
