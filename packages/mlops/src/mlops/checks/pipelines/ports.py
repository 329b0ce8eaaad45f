"""Inputs and outputs as components and pipelines declare them, and which may be connected. Pure."""

from dataclasses import dataclass
from typing import Final, Self

from mlops.checks.yaml.document import Node, Scalar

PRIMITIVES: Final = frozenset({"string", "integer", "number", "boolean"})
DATA_TYPES: Final = frozenset({"uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"})
TYPES: Final = PRIMITIVES | DATA_TYPES
DEFAULT_DATA_TYPE: Final = "uri_folder"
# What each literal type may be handed on as: literals travel as text.
WIDER: Final = {"integer": frozenset({"number", "string"}), "number": frozenset({"string"})}
INFERRED: Final = {bool: "boolean", int: "integer", float: "number", str: "string"}


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output. `type` is None where the YAML leaves it open."""

    name: str
    node: Node
    type: str | None
    optional: bool = False
    default: Node | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Scalar, ...] | None = None

    @property
    def is_data(self) -> bool:
        """Whether it carries files rather than a literal."""
        return self.type in DATA_TYPES

    @property
    def is_required(self) -> bool:
        """Whether a step must give it a value."""
        return not self.optional and self.default is None

    @classmethod
    def declared(cls, name: str, node: Node) -> Self:
        """Read an input or output of a component, or a pipeline's input written as a mapping."""
        type_node, choices = node.get("type"), node.get("enum")
        optional = node.get("optional")
        return cls(
            name=name,
            node=node,
            type=type_node.text if type_node else _type_by_content(node),
            optional=optional is not None and optional.value is True,
            default=_given(node.get("default")) or _given(node.get("value")),
            minimum=_number(node.get("min")),
            maximum=_number(node.get("max")),
            choices=tuple(_scalar(each) for each in choices.elements) if choices else None,
        )

    @classmethod
    def written(cls, name: str, node: Node) -> Self:
        """Read a pipeline's input, which may also be a bare literal: then its type follows from it."""
        if node.entries or node.value is None:
            return cls.declared(name, node)
        return cls(name, node, type=INFERRED.get(type(node.value)), default=node)


def declared_ports(node: Node | None) -> dict[str, Port]:
    """Read the `inputs` or `outputs` of a component."""
    return {name: Port.declared(name, child) for name, child in (node.entries if node else {}).items()}


def connectable(source: str | None, target: str | None) -> bool:
    """Whether a value of type `source` may be bound to a port of type `target`; unknown types may."""
    if source not in TYPES or target not in TYPES or source == target:
        return True
    return target in WIDER.get(str(source), frozenset())


def _type_by_content(node: Node) -> str | None:
    if node.get("path"):
        return DEFAULT_DATA_TYPE
    literal = node.get("value") or node.get("default")
    return INFERRED.get(type(literal.value)) if literal else None


def _given(node: Node | None) -> Node | None:
    return node if node is not None and node.value is not None else None


def _number(node: Node | None) -> float | None:
    value = node.value if node else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _scalar(node: Node) -> Scalar:
    return node.value if not isinstance(node.value, list | dict) else None
