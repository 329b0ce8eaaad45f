"""Template parameters: their declarations, and the conversion of values to the declared type. No I/O.

A scalar is passed as text and then converted, so that `007` stays `007` for a string. Lists of steps, jobs and stages
keep their scalars as text; the scalars of an `object` have YAML types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workflow_replay.azure.expressions import CaseInsensitiveDict, EvaluationError, Value
from workflow_replay.azure.expressions.values import to_number
from workflow_replay.azure.templates.tree import (
    Entries,
    Items,
    Node,
    SourceLocation,
    Text,
    bound_text,
    read,
    texts,
    typed,
)
from workflow_replay.errors import EventError, ParameterMissing

_TEXT_TYPES = frozenset({"string", "environment", "filePath", "secureFile", "serviceConnection"})
_ITEM_TYPES = frozenset({"step", "job", "deployment", "stage", "container", "pool"})
_LIST_TYPES = frozenset({"stepList", "jobList", "deploymentList", "stageList", "containerList", "stringList"})
_ONLY_IN_PIPELINES = frozenset({"environment", "filePath", "pool", "secureFile", "serviceConnection"})
_TYPES = _TEXT_TYPES | _ITEM_TYPES | _LIST_TYPES | {"number", "boolean", "object", "legacyObject"}
_KEYS = frozenset({"name", "displayName", "type", "default", "values"})


@dataclass(frozen=True)
class Parameter:
    """A declared parameter; without a `default` it is required, without `values` all are allowed."""

    name: str
    type: str
    location: SourceLocation
    default: Node | None = None
    values: tuple[Text, ...] | None = None


def declared(node: Node | None, *, in_template: bool) -> tuple[Parameter, ...]:
    """Return the declarations in `parameters`. Raises WorkflowError."""
    if node is None:
        return ()
    if isinstance(node, Entries):
        return tuple(Parameter(key.text, "legacyObject", key.location, value) for key, value in node.pairs)
    if not isinstance(node, Items):
        raise node.location.error("Expected a sequence of parameters")
    found: dict[str, Parameter] = {}
    for item in node.nodes:
        parameter = _parameter(item, in_template=in_template)
        if parameter.name.casefold() in found:
            raise item.location.error(
                f"The '{parameter.name}' parameter is declared more than once in the parameter list."
            )
        found[parameter.name.casefold()] = parameter
    return tuple(found.values())


def queued(
    parameters: tuple[Parameter, ...], arguments: Mapping[str, str], location: SourceLocation
) -> dict[str, Node]:
    """Return the parameters of a manual run as nodes; the text of a structured parameter is YAML or JSON.

    Raises EventError for unknown parameters.
    """
    types = {parameter.name.casefold(): parameter.type for parameter in parameters}
    found: dict[str, Node] = {}
    for name, value in arguments.items():
        if name.casefold() not in types:
            raise EventError(
                f"{location.file} has no parameter {name!r}",
                f"The parameters are: {', '.join(sorted(types)) or 'none'}.",
            )
        structured = types[name.casefold()] == "object" or types[name.casefold()] in _LIST_TYPES
        found[name] = read(value, f"the value of {name}") if structured else Text(value, location, quoted=True)
    return found


def bind(
    parameters: tuple[Parameter, ...], arguments: Mapping[str, Node], location: SourceLocation, *, closed: bool
) -> CaseInsensitiveDict:
    """Return the values of all parameters, given the arguments of a caller at `location`.

    `closed` rejects undeclared arguments, as every file with `parameters` does.
    Raises WorkflowError, ParameterMissing for a required one.
    """
    given = {name.casefold(): (name, node) for name, node in arguments.items()}
    known = {parameter.name.casefold() for parameter in parameters}
    for folded, (name, node) in given.items():
        if closed and folded not in known:
            raise node.location.error(f"Unexpected parameter '{name}'")
    values: dict[str, Value] = {}
    for parameter in parameters:
        node = given[parameter.name.casefold()][1] if parameter.name.casefold() in given else parameter.default
        if node is None:
            message = f"A value for the '{parameter.name}' parameter must be provided."
            raise ParameterMissing(location.file, location.line, message)
        values[parameter.name] = bound(parameter, node)
    return CaseInsensitiveDict(values, strict=True)


def bound(parameter: Parameter, node: Node) -> Value:
    """Convert a node to the type of a parameter. Raises WorkflowError."""
    if parameter.type == "object":
        return typed(node)
    if parameter.type == "legacyObject":
        return texts(node)
    if parameter.type in _LIST_TYPES:
        return _list(parameter, node)
    if parameter.type in _ITEM_TYPES:
        if not isinstance(node, Entries) and not (parameter.type == "pool" and isinstance(node, Text)):
            raise _invalid(parameter, node.location)
        return texts(node)
    if not isinstance(node, Text):
        raise _invalid(parameter, node.location)
    value = _scalar(parameter, node)
    _check_allowed(parameter, node, value)
    return value


def _list(parameter: Parameter, node: Node) -> Value:
    if not isinstance(node, Items):
        raise _invalid(parameter, node.location)
    if parameter.type == "stringList":
        for item in node.nodes:
            if not isinstance(item, Text):
                raise _invalid(parameter, item.location)
            _check_allowed(parameter, item, bound_text(item))
    return texts(node)


def _scalar(parameter: Parameter, node: Text) -> Value:
    text = bound_text(node)
    if parameter.type == "boolean":
        if text.lower() not in ("true", "false"):
            raise node.location.error(f"The '{parameter.name}' parameter value '{text}' is not a valid Boolean.")
        return text.lower() == "true"
    if parameter.type == "number":
        try:
            return to_number(text) if text else _fail()
        except EvaluationError:
            raise node.location.error(
                f"The '{parameter.name}' parameter value '{text}' is not a valid Number."
            ) from None
    return text


def _fail() -> float:
    raise EvaluationError("An empty text is not a number")


def _check_allowed(parameter: Parameter, node: Text, value: Value) -> None:
    if parameter.values is None:
        return
    as_scalar = Parameter(parameter.name, "string" if parameter.type == "stringList" else parameter.type, node.location)
    if value not in [_scalar(as_scalar, allowed) for allowed in parameter.values]:
        raise node.location.error(f"The '{parameter.name}' parameter value '{node.text}' is not a valid value.")


def _parameter(node: Node, *, in_template: bool) -> Parameter:
    if not isinstance(node, Entries):
        raise node.location.error("Expected a mapping with the name and type of a parameter")
    for key, _ in node.pairs:
        if key.text not in _KEYS:
            raise key.location.error(f"Unexpected value '{key.text}'")
    name, kind = node.find("name"), node.find("type")
    if not isinstance(name, Text) or not name.text:
        raise node.location.error("A parameter needs a name")
    type_name = kind.text if isinstance(kind, Text) else "string"
    unavailable = type_name in _ONLY_IN_PIPELINES if in_template else type_name == "legacyObject"
    if type_name not in _TYPES or unavailable:
        raise node.location_of("type").error(f"Unexpected value '{type_name}'")
    parameter = Parameter(name.text, type_name, node.location, node.find("default"), _values(node))
    if parameter.default is not None:
        _check_literal(parameter.default)
        bound(parameter, parameter.default)
    return parameter


def _values(node: Entries) -> tuple[Text, ...] | None:
    values = node.find("values")
    if values is None:
        return None
    if not isinstance(values, Items) or not all(isinstance(item, Text) for item in values.nodes):
        raise values.location.error("Expected a sequence of values")
    return tuple(item for item in values.nodes if isinstance(item, Text))


def _check_literal(node: Node) -> None:
    match node:
        case Text(text, location):
            if "${{" in text:
                raise location.error("A template expression is not allowed in this context")
        case Items(nodes):
            for inner in nodes:
                _check_literal(inner)
        case Entries(pairs):
            for _, inner in pairs:
                _check_literal(inner)


def _invalid(parameter: Parameter, location: SourceLocation) -> Exception:
    title = parameter.type[0].upper() + parameter.type[1:]
    return location.error(f"The '{parameter.name}' parameter is not a valid {title}.")
