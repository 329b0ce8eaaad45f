"""Keys of one mapping of a file, asked for by name and kind; everything wrong is a WorkflowError with its line."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from workflow_replay.documents import Mapping, Sequence
from workflow_replay.errors import WorkflowError
from workflow_replay.github.expressions.failures import ExpressionError
from workflow_replay.github.expressions.templates import Place, check, condition
from workflow_replay.github.expressions.values import normal, to_text
from workflow_replay.github.workflow import Condition, Raw


class Fields:
    """A mapping with the keys that may be in it; `where` names it for people."""

    def __init__(self, file: str, value: Any, line: int, where: str, allowed: Collection[str]) -> None:
        self.file = file
        self.where = where
        if not isinstance(value, Mapping):
            raise WorkflowError(file, line, f"{where} needs keys and values")
        self._mapping = value
        for key, _, key_line in value.lined():
            if key not in allowed:
                known = ", ".join(sorted(allowed))
                raise WorkflowError(file, key_line, f"{where} has no key {key!r}; it may have: {known}")

    def __contains__(self, key: str) -> bool:
        return key in self._mapping

    def line(self, key: str = "") -> int:
        """The line of a key, or of the mapping."""
        return self._mapping.line_of(key)

    def wrong(self, key: str, message: str) -> WorkflowError:
        """An error at a key."""
        return WorkflowError(self.file, self.line(key), f"{self.where}: {key}: {message}")

    def value(self, key: str) -> Any:
        """What stands at a key, None when nothing does."""
        return self._mapping.get(key)

    def raw(self, key: str, place: Place) -> Raw | None:
        """A value with expressions that may stand in this place; None when there is none."""
        value = self._mapping.get(key)
        if value is None:
            return None
        self._check(value, self.line(key), place)
        return Raw(value, self.line(key))

    def raws(self, key: str, place: Place) -> dict[str, Raw]:
        """A mapping of such values."""
        value = self._mapping.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self.wrong(key, "needs keys and values")
        for inner, item, line in value.lined():
            self._check(item, line, place)
            if isinstance(item, Mapping | Sequence):
                raise WorkflowError(self.file, line, f"{self.where}: {key}.{inner} must be one value")
        return {inner: Raw(item, line) for inner, item, line in value.lined()}

    def text(self, key: str) -> str | None:
        """A string without expressions, as it stands."""
        value = self._mapping.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self.wrong(key, "must be text")

    def flag(self, key: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self._mapping.get(key, default)
        if isinstance(value, bool):
            return value
        raise self.wrong(key, "must be true or false")

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of strings, or one; None when the key is not there."""
        if key not in self._mapping:
            return None
        value = self._mapping[key]
        found = value if isinstance(value, Sequence) else [value]
        for number, item in enumerate(found):
            if not isinstance(item, str | int | float) or isinstance(item, bool):
                line = value.line_of(number) if isinstance(value, Sequence) else self.line(key)
                raise WorkflowError(self.file, line, f"{self.where}: {key}: {item!r} must be text")
        return tuple(str(item) for item in found)

    def condition(self, place: Place) -> Condition:
        """The `if`."""
        value = self._mapping.get("if")
        line = self.line("if")
        if value is None:
            return Condition("", line)
        if isinstance(value, Mapping | Sequence):
            raise self.wrong("if", "must be one expression")
        try:
            expression = condition(to_text(normal(value)))
            check(f"${{{{ {expression} }}}}" if expression else "", place)
        except ExpressionError as error:
            raise self.wrong("if", str(error)) from error
        return Condition(expression, line)

    def _check(self, value: Any, line: int, place: Place) -> None:
        match value:
            case str():
                try:
                    check(value, place)
                except ExpressionError as error:
                    raise WorkflowError(self.file, line, f"{self.where}: {error}") from error
            case Mapping():
                for _, inner, inner_line in value.lined():
                    self._check(inner, inner_line, place)
            case Sequence():
                for inner, inner_line in value.lined():
                    self._check(inner, inner_line, place)
