"""Who may do what on what: the role assignments of a rehearsal, read back into names."""

from __future__ import annotations

from dataclasses import dataclass

from rehearsal.monitor import state_of
from rehearsal.records import Record, Rehearsal
from roles import Role
from settings.stage import People

IDENTITY = "managedidentity:UserAssignedIdentity"
ROLES = {role.id: role for role in Role}


@dataclass(frozen=True)
class Right:
    """One role assignment in words."""

    who: str
    person: bool
    role: str
    role_id: str
    scope: str
    scope_id: str
    reason: str


def rights_of(rehearsal: Rehearsal) -> tuple[Right, ...]:
    """Every right that a stack grants, sorted by who and what."""
    machines = {
        state_of(IDENTITY, record.inputs)["principalId"]: record.name.removeprefix("identity-")
        for record in rehearsal.of(IDENTITY)
    }
    names = {record.id: record.name for record in rehearsal.resources}
    found = [_right(record, machines, names) for record in rehearsal.of("authorization:RoleAssignment")]
    return tuple(sorted(found, key=lambda right: (right.person, right.who, right.scope, right.role)))


def _right(record: Record, machines: dict[str, str], names: dict[str, str]) -> Right:
    inputs = record.inputs
    role_id = inputs["roleDefinitionId"].rsplit("/", maxsplit=1)[1]
    person = inputs["principalType"] == "Group"
    role = ROLES.get(role_id)
    return Right(
        who=_people_name(record) if person else machines.get(inputs["principalId"], inputs["principalId"]),
        person=person,
        role=role.title if role else role_id,
        role_id=role_id,
        scope=names.get(inputs["scope"]) or _elsewhere(inputs["scope"]),
        scope_id=inputs["scope"],
        reason=inputs.get("description", ""),
    )


def _elsewhere(scope: str) -> str:
    """A scope in another stack: the names on the way to it, because `collected` alone could be any stage's."""
    group, _, resource = scope.partition("/providers/")
    names = [name for name in resource.split("/")[2::2] if name != "default"]
    return "/".join(names) or group.rsplit("/", maxsplit=1)[-1]


def _people_name(record: Record) -> str:
    known = [group for group in People.model_fields if record.name.startswith(f"{group}-")]
    return known[0] if known else record.name
