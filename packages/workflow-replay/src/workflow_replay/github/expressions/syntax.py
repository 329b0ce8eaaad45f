"""The tree that a parsed expression is. What it comes to is left to evaluation.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from workflow_replay.github.expressions.values import Value

Comparison = Literal["==", "!=", ">", ">=", "<", "<="]


@dataclass(frozen=True)
class Constant:
    """A value as it stands."""

    value: Value


@dataclass(frozen=True)
class Context:
    """A named value: `github`, `needs`."""

    name: str


@dataclass(frozen=True)
class Index:
    """Something of a value: `a.b`, `a['b']`, and for `key` None all of it, `a.*`."""

    value: Node
    key: Node | None


@dataclass(frozen=True)
class Call:
    """A function with its arguments; the name in lower case."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    """`!a`."""

    value: Node


@dataclass(frozen=True)
class Compare:
    """Two values compared."""

    left: Node
    operator: Comparison
    right: Node


@dataclass(frozen=True)
class Junction:
    """`a && b && c`, or the same with `||`."""

    operator: Literal["&&", "||"]
    parts: tuple[Node, ...]


Node: TypeAlias = Constant | Context | Index | Call | Not | Compare | Junction


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    match node:
        case Index(value=value, key=key):
            below = [value] if key is None else [value, key]
        case Call(arguments=arguments):
            below = list(arguments)
        case Not(value=value):
            below = [value]
        case Compare(left=left, right=right):
            below = [left, right]
        case Junction(parts=parts):
            below = list(parts)
        case _:
            below = []
    for inner in below:
        yield from walk(inner)
