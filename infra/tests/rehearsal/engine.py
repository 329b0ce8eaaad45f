"""The engine's side of the rehearsal: a stack's state, and `up`, `refresh` and `destroy` as Pulumi plans them.

It knows protection, order, and the options about changes and deletion. What of Azure's answer differs is in azure.py.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from dry_run.kinds import kind_of
from dry_run.result import DryRun, ResourceRecord
from tests.rehearsal.azure import ASSIGNMENT, Azure
from tests.rehearsal.paths import changed_paths, is_below, without

# What the provider replaces by itself, beside what a resource's id and place are made of: `forceNewMap` of its source,
# https://github.com/pulumi/pulumi-azure-native/blob/master/provider/pkg/gen/replacement.go.
FIXED = {
    ASSIGNMENT: ("principalId", "roleDefinitionId", "scope"),
    "containerservice:ManagedCluster": (
        *("dnsPrefix", "nodeResourceGroup"),
        *(f"networkProfile.{key}" for key in ("outboundType", "serviceCidr", "dnsServiceIP", "networkPlugin")),
    ),
    "containerservice:AgentPool": ("vmSize",),
    "network:PrivateEndpoint": ("subnet",),
}
PLACE = {"location", "resourceGroupName"}


class ProtectedError(Exception):
    """The engine does not delete a protected resource."""


class InterruptedUpError(Exception):
    """The run ended in the middle: a time-out, a lost login, a closed lid."""


@dataclass(frozen=True)
class Step:
    """What the engine did to a resource."""

    operation: str
    name: str

    def __str__(self) -> str:
        return f"{self.operation} {self.name}"


@dataclass
class Stack:
    """A stack's state: the resources that it made, by URN, with the inputs that it knows."""

    azure: Azure
    state: dict[str, ResourceRecord] = field(default_factory=dict)

    def up(self, run: DryRun, interrupted_after: int | None = None) -> list[str]:
        """Make Azure what a run of the program declares; returns the steps. Raises Refusal, ProtectedError."""
        done: list[str] = []
        declared = in_order(run)
        for record in declared:
            done += self._apply(record)
            if interrupted_after is not None and len(done) >= interrupted_after:
                raise InterruptedUpError(f"after {done[-1]}")
        wanted = {record.urn for record in declared}
        return done + self._delete([record for urn, record in self.state.items() if urn not in wanted])

    def refresh(self) -> list[str]:
        """Take into the state what Azure returns; returns what is gone."""
        gone = []
        for urn, record in list(self.state.items()):
            returned = self.azure.read(record.id) if record.azure else record.inputs
            if returned is None:
                gone.append(str(Step("gone", record.name)))
                del self.state[urn]
            else:
                self.state[urn] = replace(record, inputs=returned)
        return gone

    def destroy(self) -> list[str]:
        """Delete everything, what depends on something before it. Raises Refusal, ProtectedError."""
        return self._delete(list(self.state.values()))

    def unprotect(self) -> None:
        """What `pulumi state unprotect --all` does."""
        self.state = {urn: replace(record, protect=False) for urn, record in self.state.items()}

    def _apply(self, record: ResourceRecord) -> list[str]:
        known = self.state.get(record.urn)
        if known is None:
            self.azure.create(record)
            self.state[record.urn] = record
            return [str(Step("create", record.name))]
        kept = copy.deepcopy(record.inputs)
        for path in record.options.ignored:
            without(kept, path, known.inputs)
        changes = list(changed_paths(known.inputs, kept))
        if not changes:
            self.state[record.urn] = replace(record, inputs=known.inputs)
            return []
        if not self._replaces(record, changes):
            self.azure.update(replace(record, inputs=kept))
            self.state[record.urn] = replace(record, inputs=kept)
            return [str(Step("update", record.name))]
        if known.protect:
            raise ProtectedError(f"{record.name} would be replaced because of {', '.join(changes)}, but is protected")
        # A replacement takes the program's inputs, ignored or not.
        if record.options.delete_first or known.id == record.id:
            self.azure.delete(known.azure_type, known.id)
            self.azure.create(record)
        else:
            self.azure.create(record)
            self.azure.delete(known.azure_type, known.id)
        self.state[record.urn] = record
        return [str(Step("replace", record.name))]

    def _replaces(self, record: ResourceRecord, changes: Iterable[str]) -> bool:
        whole = PLACE | kind_of(record.azure_type).id_inputs
        replacing = (*record.options.replacing, *FIXED.get(record.azure_type, ()))
        return any(
            change in whole or "*" in replacing or any(is_below(change, path) for path in replacing)
            for change in changes
        )

    def _delete(self, records: list[ResourceRecord]) -> list[str]:
        protected = [record.name for record in records if record.protect]
        if protected:
            raise ProtectedError(f"protected: {', '.join(sorted(protected))}")
        going = {record.urn for record in records}
        done = []
        for record in reversed(sorted_by_dependency(records)):
            if not record.options.retain and record.options.deleted_with not in going:
                self.azure.delete(record.azure_type, record.id)
            del self.state[record.urn]
            done.append(str(Step("delete", record.name)))
        return done


def in_order(run: DryRun) -> list[ResourceRecord]:
    """The resources of Azure that a run declares, each after all that it depends on."""
    return sorted_by_dependency([record for record in run.resources if record.azure])


def sorted_by_dependency(records: list[ResourceRecord]) -> list[ResourceRecord]:
    """Each record after those that it depends on directly, as far as they are among them."""
    by_urn = {record.urn: record for record in records}
    placed: dict[str, ResourceRecord] = {}

    def place(record: ResourceRecord) -> None:
        if record.urn in placed:
            return
        for urn in sorted(record.dependencies):
            if urn in by_urn:
                place(by_urn[urn])
        placed[record.urn] = record

    for record in records:
        place(record)
    return list(placed.values())


def without_assignments(run: DryRun, name: str) -> DryRun:
    """The same run after a reviewed change that revokes the rights of that name."""
    kept: Any = tuple(record for record in run.records if record.name != name)
    return replace(run, records=kept)
