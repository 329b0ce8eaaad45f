"""Ports of components and pipelines, and which may be bound to which. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self

from mlops.checks.yaml import fields
from mlops.checks.yaml.document import Node, Scalar

EXPRESSION: Final = re.compile(r"\$\{\{\s*([^{}]*?)\s*\}\}")
PARENT: Final = "parent."
FORMS: Final = (
    # Names of any form, so that a wrong one is reported as itself; a group's members follow its name.
    re.compile(r"parent\.(?P<kind>inputs)\.(?P<name>[^\s.]+)(\.[^\s.]+)*"),
    re.compile(r"parent\.(?P<kind>outputs)\.(?P<name>[^\s.]+)"),
    re.compile(r"parent\.jobs\.(?P<job>[^\s.]+)\.(?P<kind>outputs)\.(?P<name>[^\s.]+)"),
)
# What the service fills in itself, in the path of an input or output.
OF_SERVICE: Final = frozenset({"name", "output_name", "default_datastore"})
ADVICE: Final = "write ${{parent.inputs.NAME}}, ${{parent.outputs.NAME}} or ${{parent.jobs.STEP.outputs.NAME}}"


@dataclass(frozen=True, slots=True)
class Binding:
    """One expression: `job` is None for the pipeline's own inputs and outputs, `kind` if it is malformed."""

    text: str
    kind: str | None
    name: str
    job: str | None
    is_whole: bool


def bindings_in(text: str) -> Iterator[Binding]:
    """Yield every expression in `text`; `is_whole` says whether it is the whole text."""
    for match in EXPRESSION.finditer(text):
        if match.group(1) in OF_SERVICE:
            continue
        is_whole = match.group(0) == text.strip()
        yield _parse(match.group(0), match.group(1), is_whole=is_whole)


def references_to_parent(text: str) -> Iterator[Binding]:
    """Yield the expressions in `text` that begin with `parent.`; the service fills in the others."""
    return (each for each in bindings_in(text) if each.text.strip("${} ").startswith(PARENT))


def find_cycle(needs: Mapping[str, set[str]]) -> list[str] | None:
    """Return the steps of one cycle in data-flow order, the first repeated at the end, or None.

    `needs` maps a step to the steps whose outputs it reads.
    """
    done: set[str] = set()
    for start in needs:
        path = _walk(start, needs, done, [])
        if path:
            return path[::-1]
    return None


def _walk(step: str, needs: Mapping[str, set[str]], done: set[str], path: list[str]) -> list[str] | None:
    if step in path:
        return [*path[path.index(step) :], step]
    if step in done:
        return None
    for needed in sorted(needs.get(step, set())):
        if cycle := _walk(needed, needs, done, [*path, step]):
            return cycle
    done.add(step)
    return None


def _parse(text: str, inner: str, *, is_whole: bool) -> Binding:
    for form in FORMS:
        if match := form.fullmatch(inner):
            parts = match.groupdict()
            return Binding(text, parts["kind"], parts["name"], parts.get("job"), is_whole)
    return Binding(text, None, inner, None, is_whole)


PRIMITIVES: Final = fields.LITERALS
DATA_TYPES: Final = fields.DATA_TYPES
TYPES: Final = PRIMITIVES | DATA_TYPES
DEFAULT_DATA_TYPE: Final = "uri_folder"
# The types that each literal type may be bound to: literals are passed as text.
WIDER: Final = {"integer": frozenset({"number", "string"}), "number": frozenset({"integer", "string"})}
INFERRED: Final = {bool: "boolean", int: "integer", float: "number", str: "string"}


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output. `type` is None if the YAML does not state it."""

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
        """Whether a step must set it."""
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
        """Read a pipeline's input, which may also be a bare literal that implies the type."""
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
