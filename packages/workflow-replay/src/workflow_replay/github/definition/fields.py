"""Typed access to the keys of a mapping; anything invalid is a WorkflowError with its line."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from workflow_replay.common.yaml_document import Mapping, Sequence
from workflow_replay.errors import Limit, WorkflowError
from workflow_replay.github.definition.model import Condition, Raw
from workflow_replay.github.expressions.errors import ExpressionError
from workflow_replay.github.expressions.templates import Availability, check, condition
from workflow_replay.github.expressions.values import normal, to_text


class Fields:
    """A mapping and its allowed keys; `where` is its name in errors."""

    def __init__(self, file: str, value: Any, line: int, where: str, allowed: Collection[str]) -> None:
        self.file = file
        self.where = where
        if not isinstance(value, Mapping):
            raise WorkflowError(file, line, f"{where} must be a mapping")
        self._mapping = value
        for key, _, key_line in value.items_with_lines():
            if key not in allowed:
                known = ", ".join(sorted(allowed))
                raise WorkflowError(file, key_line, f"{where}: unknown key {key!r}; allowed keys: {known}")

    def __contains__(self, key: str) -> bool:
        return key in self._mapping

    def line(self, key: str = "") -> int:
        """The line of a key, or of the mapping."""
        return self._mapping.line_of(key)

    def error(self, key: str, message: str) -> WorkflowError:
        """An error at a key."""
        return WorkflowError(self.file, self.line(key), f"{self.where}: {key}: {message}")

    def limit(self, key: str, message: str) -> Limit:
        """What a replay cannot do with a key."""
        return Limit(f"{self.file}:{self.line(key)}", f"{self.where}: {key}: {message}")

    def value(self, key: str) -> Any:
        """The value of a key, None if it is missing."""
        return self._mapping.get(key)

    def raw(self, key: str, available: Availability) -> Raw | None:
        """A value that may have expressions; None if the key is missing."""
        value = self._mapping.get(key)
        if value is None:
            return None
        self._check(value, self.line(key), available)
        return Raw(value, self.line(key))

    def raws(self, key: str, available: Availability) -> dict[str, Raw]:
        """A mapping of such values."""
        value = self._mapping.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self.error(key, "must be a mapping")
        for inner, item, line in value.items_with_lines():
            self._check(item, line, available)
            if isinstance(item, Mapping | Sequence):
                raise WorkflowError(self.file, line, f"{self.where}: {key}.{inner} must be a scalar")
        return {inner: Raw(item, line) for inner, item, line in value.items_with_lines()}

    def text(self, key: str) -> str | None:
        """A string without expressions."""
        value = self._mapping.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self.error(key, "must be a string")

    def flag(self, key: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self._mapping.get(key, default)
        if isinstance(value, bool):
            return value
        raise self.error(key, "must be true or false")

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of strings, or a single one; None if the key is missing."""
        if key not in self._mapping:
            return None
        value = self._mapping[key]
        found = value if isinstance(value, Sequence) else [value]
        for number, item in enumerate(found):
            if not isinstance(item, str | int | float) or isinstance(item, bool):
                line = value.line_of(number) if isinstance(value, Sequence) else self.line(key)
                raise WorkflowError(self.file, line, f"{self.where}: {key}: {item!r} must be a string")
        return tuple(str(item) for item in found)

    def condition(self, available: Availability) -> Condition:
        """The `if` key."""
        value = self._mapping.get("if")
        line = self.line("if")
        if value is None:
            return Condition("", line)
        if isinstance(value, Mapping | Sequence):
            raise self.error("if", "must be an expression")
        try:
            expression = condition(to_text(normal(value)))
            check(f"${{{{ {expression} }}}}" if expression else "", available)
        except ExpressionError as error:
            raise self.error("if", str(error)) from error
        return Condition(expression, line)

    def _check(self, value: Any, line: int, available: Availability) -> None:
        match value:
            case str():
                try:
                    check(value, available)
                except ExpressionError as error:
                    raise WorkflowError(self.file, line, f"{self.where}: {error}") from error
            case Mapping():
                for _, inner, inner_line in value.items_with_lines():
                    self._check(inner, inner_line, available)
            case Sequence():
                for inner, inner_line in value.items_with_lines():
                    self._check(inner, inner_line, available)
