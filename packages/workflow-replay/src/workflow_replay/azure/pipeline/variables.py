"""`variables` as they stand in a file: a mapping, or a list of variables and groups; expressions checked. Pure."""

from __future__ import annotations

from workflow_replay.azure.expressions import ExpressionError, parse
from workflow_replay.azure.expressions.syntax import Place as ExpressionPlace
from workflow_replay.azure.pipeline.fields import Fields, scalar
from workflow_replay.azure.pipeline.model import Group, Variable, Variables
from workflow_replay.azure.templates.tree import Entries, Items, Node, Place, Text

_OPENS, _CLOSES = "$[", "]"
_ENTRY = frozenset({"name", "value", "readonly", "group"})


def variables(node: Node | None, where: ExpressionPlace) -> Variables:
    """Return the variables of a block; `where` says what their runtime expressions may name. Raises WorkflowError."""
    match node:
        case None:
            return ()
        case Entries(pairs):
            return tuple(_checked(Variable(key.text, scalar(value), key.place), where) for key, value in pairs)
        case Items(nodes):
            return tuple(_entry(item, where) for item in nodes)
        case Text(text, place):
            if text:
                raise place.wrong("Expected a mapping or a sequence of variables")
            return ()


def runtime_expression(value: str) -> str | None:
    """Return the expression of a value that is nothing but `$[ ]`, or None."""
    trimmed = value.strip()
    if trimmed.startswith(_OPENS) and trimmed.endswith(_CLOSES):
        return trimmed[len(_OPENS) : -len(_CLOSES)]
    return None


def _entry(node: Node, where: ExpressionPlace) -> Variable | Group:
    fields = Fields(node, _ENTRY, "a variable")
    if fields.has("group"):
        return Group(fields.text("group"), fields.place)
    if not fields.text("name"):
        raise fields.place.wrong("A variable has a `name` and a `value`, or is a `group` or a `template`")
    place: Place = fields.place_of("value")
    read_only = fields.boolean("readonly")
    return _checked(Variable(fields.text("name"), fields.text("value"), place, read_only), where)


def _checked(variable: Variable, where: ExpressionPlace) -> Variable:
    expression = runtime_expression(variable.value)
    if expression is not None:
        try:
            parse(expression, where)
        except ExpressionError as error:
            raise variable.place.wrong(f"The variable {variable.name}: {error.message}") from error
    return variable
