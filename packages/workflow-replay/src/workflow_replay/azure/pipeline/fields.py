"""A mapping of a file read by key: unknown keys refused, values in the wanted shape, errors with lines. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from workflow_replay.azure.templates.tree import Entries, Items, Node, Place, Text, bound_text

_BOOLEANS = {"true": True, "false": False}
# A value with one of these is known only when the pipeline runs.
_LATER = ("$(", "$[")


class Fields:
    """The keys of a mapping. Every method raises WorkflowError for a value of another shape."""

    def __init__(self, node: Node, allowed: Collection[str], what: str) -> None:
        if not isinstance(node, Entries):
            raise node.place.wrong(f"Expected a mapping: {what}")
        self._node = node
        self.place = node.place
        for key, _ in node.pairs:
            if key.text not in allowed:
                raise key.place.wrong(f"Unexpected value '{key.text}' in {what}", f"Known here: {_listed(allowed)}.")

    def has(self, key: str) -> bool:
        """Tell whether a key is there."""
        return self._node.find(key) is not None

    def node(self, key: str) -> Node | None:
        """Return what stands at a key."""
        return self._node.find(key)

    def place_of(self, key: str) -> Place:
        """Return where a key stands."""
        return self._node.place_of(key)

    def text(self, key: str, default: str = "") -> str:
        """Return a text; a key without a value is an empty one."""
        node = self._node.find(key)
        return default if node is None else scalar(node)

    def optional_text(self, key: str) -> str | None:
        """Return a text, or None for a key that is not there."""
        return self.text(key) if self.has(key) else None

    def boolean(self, key: str, *, default: bool = False) -> bool:
        """Return true or false."""
        text = self.text(key, "true" if default else "false")
        if text.lower() not in _BOOLEANS:
            raise self.place_of(key).wrong(f"'{text}' is no boolean: {key} is true or false")
        return _BOOLEANS[text.lower()]

    def late_boolean(self, key: str, *, default: bool = False) -> str:
        """Return "true", "false", or the text of a macro or expression that will be one of them."""
        text = self.text(key, "true" if default else "false")
        if text.startswith(_LATER):
            return text
        return "true" if self.boolean(key, default=default) else "false"

    def number(self, key: str, default: float) -> float:
        """Return a number that is not negative."""
        text = self.text(key)
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            raise self.place_of(key).wrong(f"'{text}' is no number: {key} needs one") from None
        if value < 0:
            raise self.place_of(key).wrong(f"{key} cannot be negative")
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Return a list of texts; a single text is a list of one, None means that the key is not there."""
        node = self._node.find(key)
        if node is None:
            return None
        if isinstance(node, Items):
            return tuple(scalar(item) for item in node.nodes)
        return (scalar(node),) if scalar(node) else ()

    def text_mapping(self, key: str) -> dict[str, str]:
        """Return a mapping of texts."""
        node = self._node.find(key)
        return {} if node is None else text_mapping(node)

    def items(self, key: str) -> tuple[Node, ...]:
        """Return the members of a list."""
        node = self._node.find(key)
        if node is None or (isinstance(node, Text) and not node.text):
            return ()
        if not isinstance(node, Items):
            raise node.place.wrong(f"Expected a sequence: {key}")
        return node.nodes


def scalar(node: Node) -> str:
    """Return a single value as the text it is written as. Raises WorkflowError."""
    if not isinstance(node, Text):
        kind = "mapping" if isinstance(node, Entries) else "sequence"
        raise node.place.wrong(f"A {kind} was not expected")
    return bound_text(node)


def text_mapping(node: Node) -> dict[str, str]:
    """Return a mapping of texts; an empty value is an empty mapping. Raises WorkflowError."""
    if isinstance(node, Text) and not bound_text(node):
        return {}
    if not isinstance(node, Entries):
        raise node.place.wrong("Expected a mapping")
    return {key: scalar(value) for key, value in node}


def present(pairs: Mapping[str, str | None]) -> dict[str, str]:
    """Return the pairs that have a value."""
    return {key: value for key, value in pairs.items() if value is not None}


def _listed(keys: Collection[str]) -> str:
    return ", ".join(sorted(keys))
