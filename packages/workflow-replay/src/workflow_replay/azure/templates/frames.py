"""What expressions see at a location: parameters, the variables defined above, variables of `each`. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from workflow_replay.azure.expressions import CaseInsensitiveDict, Contexts, Value
from workflow_replay.azure.templates.tree import Entries, Items, Node, Text


@dataclass(frozen=True)
class Frame:
    """What expressions see, and the nesting depth of templates."""

    parameters: Value
    variables: Mapping[str, Value]
    bound: Mapping[str, Value] = field(default_factory=dict)
    depth: int = 0

    def contexts(self) -> Contexts:
        """Return the contexts of expressions."""
        return Contexts({"parameters": self.parameters, "variables": CaseInsensitiveDict(self.variables), **self.bound})

    def binding(self, name: str, value: Value) -> Frame:
        """Return the frame of one iteration of `each`."""
        return replace(self, bound={**self.bound, name.casefold(): value})

    def seeing(self, variables: Node | None) -> Frame:
        """Return the frame of what follows `variables`."""
        return replace(self, variables={**self.variables, **static(variables)})


def static(variables: Node | None) -> dict[str, Value]:
    """Return the values in `variables`; those of variable groups are unknown while a file is read."""
    found: dict[str, Value] = {}
    for item in listed(variables):
        if isinstance(item, Entries):
            name, value = item.find("name"), item.find("value")
            if isinstance(name, Text) and isinstance(value, Text):
                found[name.text] = value.text
    return found


def listed(node: Node | None) -> tuple[Node, ...]:
    """Return the members of a list; a mapping of variables becomes a list of `name` and `value`."""
    match node:
        case None | Text():
            return ()
        case Items(nodes):
            return nodes
        case Entries(pairs):
            return tuple(_variable(key, value) for key, value in pairs)


def _variable(key: Text, value: Node) -> Entries:
    name = Text("name", key.location)
    return Entries(
        ((name, Text(key.text, key.location, quoted=True)), (Text("value", key.location), value)), key.location
    )
