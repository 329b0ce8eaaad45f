"""An overlay file merged over the base file beside it; each problem keeps its own file and line.

The same merge as for plain values (mlops.core.documents): null removes a key. Also finds entries without effect.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mlops.checks.yaml.document import AZURE, Document, Node, Problem

# In both files, for editors.
_OWN: Final = frozenset({"$schema"})


@dataclass(frozen=True, slots=True)
class Overlaid(Document):
    """Both files as one document; `inherited` are the ids of the nodes that come from `below`."""

    upper: Document
    below: Document
    inherited: frozenset[int]

    def problem(self, at: Node | int, message: str, advice: str, rule: str = AZURE) -> Problem:
        """Make a problem in the file that the node is written in."""
        return (self.below if id(at) in self.inherited else self.upper).problem(at, message, advice, rule)


def overlaid(upper: Document, below: Document) -> Overlaid:
    """Merge one document over another."""
    inherited = frozenset(id(node) for node in _nodes(below.root))
    root = _merged(below.root, upper.root)
    return Overlaid(upper.path, upper.file, root, upper.lines, upper.changes, upper, below, inherited)


def keys_without_effect(document: Overlaid) -> Iterator[Problem]:
    """Yield entries of the overlay without effect: equal to the base's, or removing what it does not have."""
    yield from _without_effect(document, document.upper.root, document.below.root)


def _without_effect(document: Overlaid, upper: Node, below: Node) -> Iterator[Problem]:
    name = document.below.path.name
    for key in upper.entries.keys() - _OWN:
        node, other = upper.entries[key], below.entries.get(key)
        if other is None and node.value is None:
            yield document.upper.problem(
                node, f"`{key}` is removed here, but {name} does not have it", "remove the line"
            )
        elif other is not None and node.entries:
            yield from _without_effect(document, node, other)
        elif other is not None and _plain(node) == _plain(other):
            yield document.upper.problem(node, f"{name} has the same value for `{key}`", "remove it here")


def _merged(below: Node | None, upper: Node) -> Node:
    if not isinstance(upper.value, dict):
        return upper
    base = below.entries if below else {}
    entries = {key: node for key, node in base.items() if key not in upper.entries}
    changed = {key: _merged(base.get(key), node) for key, node in upper.entries.items() if node.value is not None}
    return Node(entries | changed, upper.line, upper.end_line)


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in [*node.entries.values(), *node.elements]:
        yield from _nodes(child)


def _plain(node: Node) -> object:
    if isinstance(node.value, dict):
        return {key: _plain(child) for key, child in node.entries.items()}
    return [_plain(child) for child in node.elements] if isinstance(node.value, list) else node.value
