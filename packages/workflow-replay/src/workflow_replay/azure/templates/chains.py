"""Helpers to expand a list or mapping: which branch of an if-chain is taken, which keys exist. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from workflow_replay.azure.templates.directives import Branch
from workflow_replay.azure.templates.tree import Entries, Node, Text


class _State(Enum):
    NONE = auto()
    OPEN = auto()
    TAKEN = auto()


class Chain:
    """The current if-chain of a list or mapping, if any."""

    def __init__(self) -> None:
        self._state = _State.NONE

    def takes(self, branch: Branch, key: Text, holds: Callable[[], bool]) -> bool:
        """Tell whether a branch is taken; `holds` is called only if no earlier branch was.

        Raises WorkflowError for an `elseif` or `else` without an `if`.
        """
        if branch.word == "if":
            self._state = _State.TAKEN if holds() else _State.OPEN
            return self._state is _State.TAKEN
        if self._state is _State.NONE:
            raise key.location.error(f"The expression directive '{branch.word}' is not supported in this context")
        taken = self._state is _State.OPEN and (branch.word == "else" or holds())
        if branch.word == "else":
            self._state = _State.NONE
        elif taken:
            self._state = _State.TAKEN
        return taken

    def end(self) -> None:
        """End the chain."""
        self._state = _State.NONE


class Pairs:
    """Builds a mapping; keys are unique regardless of case."""

    def __init__(self) -> None:
        self._pairs: list[tuple[Text, Node]] = []
        self._known: set[str] = set()

    def add(self, key: Text, node: Node) -> None:
        """Append a key. Raises WorkflowError for a duplicate."""
        if key.text.casefold() in self._known:
            raise key.location.error(f"'{key.text}' is already defined")
        self._known.add(key.text.casefold())
        self._pairs.append((key, node))

    def splice(self, entries: Entries) -> None:
        """Append all keys of a mapping."""
        for key, node in entries.pairs:
            self.add(key, node)

    def entries(self, like: Entries) -> Entries:
        """Return the mapping, at the location of another one."""
        return Entries(tuple(self._pairs), like.location)
