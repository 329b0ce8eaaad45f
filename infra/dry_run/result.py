"""The result of a dry run: every resource with its inputs, its options and its dependencies. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dry_run.kinds import AZURE


@dataclass(frozen=True)
class Options:
    """What the program tells the engine about changes and deletion of a resource. Paths are the provider's."""

    ignored: tuple[str, ...] = ()
    replacing: tuple[str, ...] = ()
    delete_first: bool = False
    retain: bool = False
    deleted_with: str = ""


@dataclass(frozen=True)
class ResourceRecord:
    """One resource as it was registered with the engine."""

    urn: str
    type: str
    name: str
    custom: bool
    parent: str
    id: str
    inputs: dict[str, Any]
    protect: bool
    dependencies: frozenset[str]
    """URNs, from options and from inputs."""
    options: Options

    @property
    def azure_type(self) -> str:
        """The type without the provider: `storage:StorageAccount`."""
        return self.type.removeprefix(AZURE)

    @property
    def azure(self) -> bool:
        """Whether it is a resource of Azure, not a component or the stack."""
        return self.type.startswith(AZURE)


@dataclass(frozen=True)
class DryRun:
    """One run of the program for one stack."""

    stack: str
    records: tuple[ResourceRecord, ...]
    outputs: dict[str, Any]
    duplicates: tuple[str, ...] = field(default=())

    @property
    def resources(self) -> tuple[ResourceRecord, ...]:
        """Every resource that a provider would create."""
        return tuple(record for record in self.records if record.custom)

    def of(self, type_: str) -> tuple[ResourceRecord, ...]:
        """Every resource of a type such as `storage:StorageAccount`."""
        return tuple(record for record in self.resources if record.type == f"{AZURE}{type_}")

    def one(self, type_: str, name: str = "") -> ResourceRecord:
        """The only resource of that type, or of that type and name. Raises LookupError."""
        found = [record for record in self.of(type_) if not name or record.name == name]
        if len(found) != 1:
            raise LookupError(f"{self.stack} has {len(found)} resources {type_} {name}, not one")
        return found[0]

    def dependencies_of(self, record: ResourceRecord) -> frozenset[str]:
        """The URNs of everything that is created before a resource, directly or indirectly."""
        by_urn = {other.urn: other for other in self.records}
        seen: set[str] = set()
        waiting = list(record.dependencies)
        while waiting:
            urn = waiting.pop()
            if urn not in seen:
                seen.add(urn)
                waiting += by_urn[urn].dependencies if urn in by_urn else []
        return frozenset(seen)
