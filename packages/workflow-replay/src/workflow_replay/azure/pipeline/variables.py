"""Reads `variables`: a mapping, or a list of variables and variable groups. No I/O."""

from __future__ import annotations

from workflow_replay.azure.expressions import ExpressionError, parse
from workflow_replay.azure.expressions.syntax import Availability
from workflow_replay.azure.pipeline.fields import Fields, scalar
from workflow_replay.azure.pipeline.model import Group, Variable, Variables
from workflow_replay.azure.templates.tree import Entries, Items, Node, SourceLocation, Text

_OPENS, _CLOSES = "$[", "]"
_ENTRY = frozenset({"name", "value", "readonly", "group"})


def variables(node: Node | None, available: Availability) -> Variables:
    """Return the variables of a block, with validated runtime expressions. Raises WorkflowError."""
    match node:
        case None:
            return ()
        case Entries(pairs):
            return tuple(_checked(Variable(key.text, scalar(value), key.location), available) for key, value in pairs)
        case Items(nodes):
            return tuple(_entry(item, available) for item in nodes)
        case Text(text, location):
            if text:
                raise location.error("Expected a mapping or a sequence of variables")
            return ()


def runtime_expression(value: str) -> str | None:
    """Return the expression of a value that consists of `$[ ]`, or None."""
    trimmed = value.strip()
    if trimmed.startswith(_OPENS) and trimmed.endswith(_CLOSES):
        return trimmed[len(_OPENS) : -len(_CLOSES)]
    return None


def _entry(node: Node, available: Availability) -> Variable | Group:
    fields = Fields(node, _ENTRY, "a variable")
    if fields.has("group"):
        return Group(fields.text("group"), fields.location)
    if not fields.text("name"):
        raise fields.location.error("A variable needs a `name` and a `value`, or a `group`, or a `template`")
    location: SourceLocation = fields.location_of("value")
    read_only = fields.boolean("readonly")
    return _checked(Variable(fields.text("name"), fields.text("value"), location, read_only), available)


def _checked(variable: Variable, available: Availability) -> Variable:
    expression = runtime_expression(variable.value)
    if expression is not None:
        try:
            parse(expression, available)
        except ExpressionError as error:
            raise variable.location.error(f"The variable {variable.name}: {error.message}") from error
    return variable
