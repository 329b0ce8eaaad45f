"""What expressions see in a place of a file: its parameters, the variables above it, what `each` binds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from workflow_replay.azure.expressions import Contexts, Folded, Value
from workflow_replay.azure.templates.tree import Entries, Items, Node, Text


@dataclass(frozen=True)
class Frame:
    """What a place sees, and how many templates deep it lies."""

    parameters: Value
    variables: Mapping[str, Value]
    bound: Mapping[str, Value] = field(default_factory=dict)
    depth: int = 0

    def contexts(self) -> Contexts:
        """Return what expressions may name here."""
        return Contexts({"parameters": self.parameters, "variables": Folded(self.variables), **self.bound})

    def binding(self, name: str, value: Value) -> Frame:
        """Return the frame of one round of an `each`."""
        return replace(self, bound={**self.bound, name.casefold(): value})

    def seeing(self, variables: Node | None) -> Frame:
        """Return the frame of what stands below some `variables`."""
        return replace(self, variables={**self.variables, **static(variables)})


def static(variables: Node | None) -> dict[str, Value]:
    """Return the values that `variables` give by themselves; those of groups are not known while a file is read."""
    found: dict[str, Value] = {}
    for item in listed(variables):
        if isinstance(item, Entries):
            name, value = item.find("name"), item.find("value")
            if isinstance(name, Text) and isinstance(value, Text):
                found[name.text] = value.text
    return found


def listed(node: Node | None) -> tuple[Node, ...]:
    """Return the members of a list; of a mapping of variables, each as `name` and `value`."""
    match node:
        case None | Text():
            return ()
        case Items(nodes):
            return nodes
        case Entries(pairs):
            return tuple(_variable(key, value) for key, value in pairs)


def _variable(key: Text, value: Node) -> Entries:
    name = Text("name", key.place)
    return Entries(((name, Text(key.text, key.place, quoted=True)), (Text("value", key.place), value)), key.place)
