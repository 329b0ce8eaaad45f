"""The part of Logic Apps' expression language that the handler's definition uses; the rest is refused. Pure.

After "Reference guide to workflow expression functions" in Microsoft's documentation. A value is never read as an
expression again: the content of an event stays text.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)|(?P<sign>\?\[|[()\[\],]))")
WHOLE_NUMBER = re.compile(r"-?\d{1,18}")
INTERPOLATION = re.compile(r"@\{([^}]*)\}")


class ExpressionError(Exception):
    """An expression fails, as in the service; so does its action."""


class Unsupported(Exception):
    """The definition uses something unsupported: extend the interpreter, from the documentation."""


@dataclass(frozen=True)
class Scope:
    """What expressions can refer to: outputs of earlier actions, by the action's name."""

    outputs: Mapping[str, Any]


def value_of(template: Any, scope: Scope) -> Any:
    """A template with every expression in it replaced. Raises ExpressionError or Unsupported."""
    if isinstance(template, dict):
        return {key: value_of(part, scope) for key, part in template.items()}
    if isinstance(template, list):
        return [value_of(part, scope) for part in template]
    if not isinstance(template, str) or "@" not in template:
        return template
    if "@@" in template:
        raise Unsupported(f"an escaped @ in {template!r}")
    if template.startswith("@") and not template.startswith("@{"):
        return evaluate(template[1:], scope)
    text = INTERPOLATION.sub(lambda found: _text(evaluate(found.group(1), scope)), template)
    if "@" in INTERPOLATION.sub("", template):
        raise Unsupported(f"an @ outside an expression in {template!r}")
    return text


def evaluate(expression: str, scope: Scope) -> Any:
    """The value of one expression."""
    parser = _Parser(_tokens(expression), scope)
    value = parser.value()
    if parser.left:
        raise Unsupported(f"{parser.left} after the end of {expression!r}")
    return value


def _tokens(expression: str) -> list[str]:
    tokens, position = [], 0
    while position < len(expression):
        found = TOKEN.match(expression, position)
        if found is None:
            raise Unsupported(f"{expression[position:]!r} in {expression!r}")
        tokens.append(found.group().strip())
        position = found.end()
    return tokens


class _Parser:
    """Reads tokens and evaluates as it goes: arguments first, as the service does."""

    def __init__(self, tokens: list[str], scope: Scope) -> None:
        self.left = tokens
        self._scope = scope

    def value(self) -> Any:
        value = self._primary()
        while self.left and self.left[0] in ("[", "?["):
            is_safe = self.left.pop(0) == "?["
            key = self.value()
            self._expect("]")
            value = _part(value, key, is_safe=is_safe)
        return value

    def _primary(self) -> Any:
        token = self.left.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token.lstrip("-").isdigit():
            return int(token)
        self._expect("(")
        arguments = []
        while self.left[0] != ")":
            arguments.append(self.value())
            if self.left[0] == ",":
                self.left.pop(0)
        self._expect(")")
        return _call(token, arguments, self._scope)

    def _expect(self, sign: str) -> None:
        if not self.left or self.left.pop(0) != sign:
            raise Unsupported(f"{sign!r} is missing")


def _call(name: str, arguments: list[Any], scope: Scope) -> Any:
    if name in ("outputs", "body"):
        (action,) = arguments
        if action not in scope.outputs:
            raise ExpressionError(f"there are no outputs of {action}")
        return scope.outputs[action] if name == "outputs" else _part(scope.outputs[action], "body", is_safe=True)
    if name not in FUNCTIONS:
        raise Unsupported(f"the function {name}")
    return FUNCTIONS[name](*arguments)


def _part(value: Any, key: Any, *, is_safe: bool) -> Any:
    if value is None and is_safe:
        return None
    if not isinstance(value, dict) or not isinstance(key, str):
        raise ExpressionError(f"{key!r} cannot be selected from {type(value).__name__}")
    if key not in value and not is_safe:
        raise ExpressionError(f"there is no property {key!r}")
    return value.get(key)


def _coalesce(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _json(text: Any) -> Any:
    if not isinstance(text, str):
        raise ExpressionError("json() needs text")
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ExpressionError(f"not valid JSON: {error}") from error


def _base64_to_string(text: Any) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, TypeError, UnicodeDecodeError) as error:
        raise ExpressionError(f"not Base64 of a text: {error}") from error


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _string(value: Any) -> str:
    if value is None:
        raise ExpressionError("string() needs a value")
    return _text(value)


def _take(value: Any, count: int) -> Any:
    if not isinstance(value, str | list):
        raise ExpressionError("take() needs a text or an array")
    return value[:count]


def _int(text: Any) -> int:
    if not isinstance(text, str) or not WHOLE_NUMBER.fullmatch(text):
        raise ExpressionError(f"{text!r} is not a whole number")
    return int(text)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "base64ToString": _base64_to_string,
    "coalesce": _coalesce,
    "int": _int,
    "json": _json,
    "string": _string,
    "take": _take,
}
