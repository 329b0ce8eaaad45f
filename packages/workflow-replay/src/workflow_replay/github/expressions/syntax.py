"""The syntax tree of an expression; evaluation.py evaluates it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from workflow_replay.github.expressions.values import Value

Comparison = Literal["==", "!=", ">", ">=", "<", "<="]


@dataclass(frozen=True)
class Constant:
    """A literal value."""

    value: Value


@dataclass(frozen=True)
class Context:
    """A context, such as `github` or `needs`."""

    name: str


@dataclass(frozen=True)
class Index:
    """A member of a value: `a.b`, `a['b']`, or with `key` None all members, `a.*`."""

    value: Node
    key: Node | None


@dataclass(frozen=True)
class Call:
    """A function call; the name is in lower case."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    """`!a`."""

    value: Node


@dataclass(frozen=True)
class Compare:
    """A comparison."""

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
    """The node and its descendants."""
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
