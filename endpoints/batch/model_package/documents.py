"""JSON documents: written indented and without NaN, read with the name of the key that is wrong. No other I/O."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from model_package.errors import PackageError

_NUMBERS = (int, float)

# One value of a column, such as a category or a class.
Scalar: TypeAlias = str | int | float | bool


def write_json(file: Path, document: Mapping[str, Any]) -> None:
    """Write a document. Raises ValueError when it holds NaN or infinity, which JSON has not."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object. Raises PackageError when the file is missing or holds anything else."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PackageError(f"there is no {file.name} in {file.parent}") from error
    except (OSError, ValueError) as error:
        raise PackageError(f"{file.name} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise PackageError(f"{file.name} must hold a JSON object")
    return document


class Fields:
    """The fields of a JSON object. Each reader raises the given error when a field is missing or of another kind.

    `where` names the object in messages: a file, or the path of keys within it.
    """

    def __init__(
        self, values: Mapping[str, Any], where: str, error: type[PackageError] = PackageError, separator: str = ": "
    ) -> None:
        self.values = values
        self.where = where
        self._error = error
        self._separator = separator

    def __contains__(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.values.get(name) is not None

    def wrong(self, name: str, message: str) -> PackageError:
        """Return the error for a field, to be raised: the message follows its path."""
        return self._error(f"{self._path(name)} {message}")

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text."""
        value = self._value(name, default)
        if not isinstance(value, str):
            raise self.wrong(name, f"must be text, found {value!r}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        values = self._list(name)
        if not all(isinstance(value, str) for value in values):
            raise self.wrong(name, f"must be a list of texts, found {values!r}")
        return tuple(values)

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._value(name)
        if not isinstance(value, bool):
            raise self.wrong(name, f"must be true or false, found {value!r}")
        return value

    def number(self, name: str) -> float:
        """Return a finite number."""
        return self._number(name, self._value(name))

    def optional_number(self, name: str) -> float | None:
        """Return a finite number, or None where the field is missing or null."""
        return self.number(name) if name in self else None

    def count(self, name: str, default: int | None = None) -> int:
        """Return a whole number of at least 0."""
        return self._count(name, self._value(name, default))

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return a list of finite numbers, whole ones as int."""
        return tuple(self._number(name, value) for value in self._list(name))

    def scalar(self, name: str) -> Scalar:
        """Return a text, true or false, or a finite number."""
        return self._scalar(name, self._value(name))

    def scalars(self, name: str) -> tuple[Any, ...]:
        """Return a list of texts, truth values and finite numbers."""
        return tuple(self._scalar(name, value) for value in self._list(name))

    def counts(self, name: str) -> tuple[int, ...]:
        """Return a list of whole numbers of at least 0."""
        return tuple(self._count(name, value) for value in self._list(name))

    def object(self, name: str) -> "Fields":
        """Return the fields of an object."""
        return self._fields(name, self._value(name))

    def objects(self, name: str) -> list["Fields"]:
        """Return the fields of every object in a list; an empty one where the field is missing."""
        values = self._list(name) if name in self else []
        return [self._fields(f"{name}[{index}]", value) for index, value in enumerate(values)]

    def entries(self, name: str) -> dict[str, "Fields"]:
        """Return the objects of an object by their names; none where the field is missing."""
        if name not in self:
            return {}
        outer = self.object(name)
        return {key: outer.object(key) for key in outer.values}

    def _value(self, name: str, default: Any = None) -> Any:
        value = self.values.get(name)
        value = default if value is None else value
        if value is None:
            raise self.wrong(name, "is missing")
        return value

    def _list(self, name: str) -> list[Any]:
        value = self._value(name)
        if not isinstance(value, list):
            raise self.wrong(name, f"must be a list, found {value!r}")
        return value

    def _number(self, name: str, value: Any) -> float:
        try:
            if type(value) in _NUMBERS and math.isfinite(value):
                return value
        except OverflowError:
            # An integer that no float can hold.
            pass
        raise self.wrong(name, f"must be a finite number, found {value!r}")

    def _scalar(self, name: str, value: Any) -> Scalar:
        return value if isinstance(value, str | bool) else self._number(name, value)

    def _count(self, name: str, value: Any) -> int:
        if type(value) is not int or value < 0:
            raise self.wrong(name, f"must be a whole number of at least 0, found {value!r}")
        return value

    def _fields(self, name: str, value: Any) -> "Fields":
        if not isinstance(value, dict):
            raise self.wrong(name, f"must be an object, found {value!r}")
        return Fields(value, self._path(name), self._error, ".")

    def _path(self, name: str) -> str:
        return f"{self.where}{self._separator}{name}"
