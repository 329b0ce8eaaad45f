"""Typed access to the keys of a mapping; unknown keys are rejected, errors have lines. No I/O."""

from __future__ import annotations

from collections.abc import Collection

from workflow_replay.azure.templates.tree import Entries, Items, Node, SourceLocation, Text, bound_text

_BOOLEANS = {"true": True, "false": False}
# A value that starts with one of these is known only at run time.
_RUNTIME = ("$(", "$[")


class Fields:
    """The keys of a mapping. Every method raises WorkflowError for a value of another type."""

    def __init__(self, node: Node, allowed: Collection[str], what: str) -> None:
        if not isinstance(node, Entries):
            raise node.location.error(f"Expected a mapping: {what}")
        self._node = node
        self.location = node.location
        for key, _ in node.pairs:
            if key.text not in allowed:
                raise key.location.error(
                    f"Unexpected value '{key.text}' in {what}", f"Allowed keys: {_listed(allowed)}."
                )

    def has(self, key: str) -> bool:
        """Tell whether a key exists."""
        return self._node.find(key) is not None

    def node(self, key: str) -> Node | None:
        """Return the value of a key as a node."""
        return self._node.find(key)

    def location_of(self, key: str) -> SourceLocation:
        """Return the location of a key."""
        return self._node.location_of(key)

    def text(self, key: str, default: str = "") -> str:
        """Return a string; a key without a value is empty."""
        node = self._node.find(key)
        return default if node is None else scalar(node)

    def optional_text(self, key: str) -> str | None:
        """Return a string, or None for a missing key."""
        return self.text(key) if self.has(key) else None

    def boolean(self, key: str, *, default: bool = False) -> bool:
        """Return a boolean."""
        text = self.text(key, "true" if default else "false")
        if text.lower() not in _BOOLEANS:
            raise self.location_of(key).error(f"'{text}' is not a boolean: {key} must be true or false")
        return _BOOLEANS[text.lower()]

    def runtime_boolean(self, key: str, *, default: bool = False) -> str:
        """Return "true", "false", or a macro or runtime expression that yields one of them."""
        text = self.text(key, "true" if default else "false")
        if text.startswith(_RUNTIME):
            return text
        return "true" if self.boolean(key, default=default) else "false"

    def number(self, key: str, default: float) -> float:
        """Return a number, at least 0."""
        text = self.text(key)
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            raise self.location_of(key).error(f"'{text}' is not a number: {key} must be one") from None
        if value < 0:
            raise self.location_of(key).error(f"{key} cannot be negative")
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Return a list of strings; a single string is a list of one, a missing key is None."""
        node = self._node.find(key)
        if node is None:
            return None
        if isinstance(node, Items):
            return tuple(scalar(item) for item in node.nodes)
        return (scalar(node),) if scalar(node) else ()

    def text_mapping(self, key: str) -> dict[str, str]:
        """Return a mapping of strings."""
        node = self._node.find(key)
        return {} if node is None else text_mapping(node)

    def items(self, key: str) -> tuple[Node, ...]:
        """Return the members of a list."""
        node = self._node.find(key)
        if node is None or (isinstance(node, Text) and not node.text):
            return ()
        if not isinstance(node, Items):
            raise node.location.error(f"Expected a sequence: {key}")
        return node.nodes


def scalar(node: Node) -> str:
    """Return the text of a scalar. Raises WorkflowError."""
    if not isinstance(node, Text):
        kind = "mapping" if isinstance(node, Entries) else "sequence"
        raise node.location.error(f"A {kind} was not expected")
    return bound_text(node)


def text_mapping(node: Node) -> dict[str, str]:
    """Return a mapping of strings; an empty value is an empty mapping. Raises WorkflowError."""
    if isinstance(node, Text) and not bound_text(node):
        return {}
    if not isinstance(node, Entries):
        raise node.location.error("Expected a mapping")
    return {key: scalar(value) for key, value in node}


def _listed(keys: Collection[str]) -> str:
    return ", ".join(sorted(keys))
