"""What a rehearsal found: every resource with its inputs, its options and what it depends on. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Record:
    """One resource as the engine would have been told of it."""

    urn: str
    type: str
    name: str
    custom: bool
    parent: str
    id: str
    inputs: dict[str, Any]
    protect: bool
    dependencies: frozenset[str]
    """URNs, from options and from inputs; a component stands for nothing here."""

    @property
    def kind(self) -> str:
        """The last part of the type: `StorageAccount`."""
        return self.type.rsplit(":", maxsplit=1)[-1]

    @property
    def azure(self) -> bool:
        """Whether it is a resource of Azure, not a component or the stack."""
        return self.type.startswith("azure-native:")


@dataclass(frozen=True)
class Rehearsal:
    """One run of the program for one stack."""

    stack: str
    records: tuple[Record, ...]
    outputs: dict[str, Any]
    duplicates: tuple[str, ...] = field(default=())

    @property
    def resources(self) -> tuple[Record, ...]:
        """Every resource that a provider would make."""
        return tuple(record for record in self.records if record.custom)

    def of(self, type_: str) -> tuple[Record, ...]:
        """Every resource of a type such as `storage:StorageAccount`."""
        return tuple(record for record in self.resources if record.type == f"azure-native:{type_}")

    def one(self, type_: str, name: str = "") -> Record:
        """The only resource of that type, or of that type and name. Raises LookupError."""
        found = [record for record in self.of(type_) if not name or record.name == name]
        if len(found) != 1:
            raise LookupError(f"{self.stack} has {len(found)} resources {type_} {name}, not one")
        return found[0]

    def behind(self, record: Record) -> frozenset[str]:
        """The URNs of all that is made before a resource, however far back."""
        by_urn = {other.urn: other for other in self.records}
        seen: set[str] = set()
        waiting = list(record.dependencies)
        while waiting:
            urn = waiting.pop()
            if urn not in seen:
                seen.add(urn)
                waiting += by_urn[urn].dependencies if urn in by_urn else []
        return frozenset(seen)
