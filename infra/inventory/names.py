"""Names of resources that a person can read.

A resource that Azure knows by a GUID, or that is called the same on every other resource, is named by what it does.
"""

from __future__ import annotations

from collections import Counter

from dry_run.result import DryRun, ResourceRecord
from inventory.rights import rights_of


def readable_names(run: DryRun) -> dict[str, str]:
    """The name of every resource of a stack, by its URN; no two of a type have the same."""
    rights = {right.urn: f"{right.principal}: {right.role} on {right.scope}" for right in rights_of(run)}
    names = {record.id: _last(record.id) for record in run.resources}
    counts = Counter((record.type, _last(record.id)) for record in run.resources)
    return {
        record.urn: rights.get(record.urn)
        or _name(record, names, alone=counts[record.type, _last(record.id)] == 1 and _last(record.id) != "default")
        for record in run.resources
    }


def _name(record: ResourceRecord, names: dict[str, str], *, alone: bool) -> str:
    """The last part of the id, and where that is not enough, what the resource belongs to."""
    own = _last(record.id)
    above = record.id.rpartition("/providers/")[0]
    if above in names and "/providers/" in above:
        return f"{own} of {names[above]}"
    return own if alone else f"{own} of {record.id.split('/')[-3]}"


def _last(id_: str) -> str:
    return id_.rsplit("/", maxsplit=1)[-1]
