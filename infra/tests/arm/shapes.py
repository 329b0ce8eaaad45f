"""One view of Microsoft's models, which come in two styles: their fields, with types and known values."""

from __future__ import annotations

import re
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, Literal

KNOWN_VALUES = re.compile(r":ivar (\w+):(?:(?!:ivar |:vartype ).)*?Known values are: (.*?)\. (?=:vartype |Default)")
MSREST_SCALARS = {"str": str, "bool": bool, "int": int, "long": int, "float": float}


@dataclass(frozen=True)
class ValueType:
    """The type of a value: a scalar, a list or map of a type, a model, or anything."""

    what: Literal["scalar", "list", "map", "model", "any"]
    scalar: type = object
    values: tuple[str, ...] = ()
    inner: ValueType | None = None
    model: type | None = None


@dataclass(frozen=True)
class Field:
    """One field of a model, with its path on the wire."""

    path: tuple[str, ...]
    kind: ValueType
    required: bool


@dataclass(frozen=True)
class Shape:
    """A model: its fields, and the discriminator of its descendants."""

    name: str
    fields: tuple[Field, ...]
    discriminator: str = ""
    descendants: Mapping[str, type] = field(default_factory=dict)


ANYTHING = ValueType("any")


@cache
def shape_of(model: type) -> Shape:
    """The shape of a model of either style."""
    return _msrest(model) if hasattr(model, "_attribute_map") else _typespec(model)


def _msrest(model: Any) -> Shape:
    known = {
        name: tuple(re.findall(r'"([^"]*)"', values))
        for ancestor in model.__mro__
        for name, values in KNOWN_VALUES.findall(" ".join((ancestor.__doc__ or "").split()))
    }
    module = _models_of(model)
    fields = []
    for name, entry in model._attribute_map.items():
        rules = model._validation.get(name, {})
        if rules.get("readonly"):
            continue
        path = tuple(part.replace("\0", ".") for part in entry["key"].replace("\\.", "\0").split("."))
        fields.append(
            Field(path, _msrest_kind(entry["type"], known.get(name, ()), module), rules.get("required", False))
        )
    for attribute, names in getattr(model, "_subtype_map", {}).items():
        wire = model._attribute_map[attribute]["key"].replace("\\.", ".")
        return Shape(model.__name__, tuple(fields), wire, {key: getattr(module, name) for key, name in names.items()})
    return Shape(model.__name__, tuple(fields))


def _msrest_kind(text: str, values: tuple[str, ...], module: Any) -> ValueType:
    if text.startswith("["):
        return ValueType("list", inner=_msrest_kind(text[1:-1], values, module))
    if text.startswith("{"):
        return ValueType("map", inner=_msrest_kind(text[1:-1], values, module))
    if text in MSREST_SCALARS:
        return ValueType("scalar", scalar=MSREST_SCALARS[text], values=values)
    if text in ("iso-8601", "duration", "rfc-1123"):
        return ValueType("scalar", scalar=str)
    found = getattr(module, text, None)
    if found is None:
        return ANYTHING
    if issubclass(found, Enum):
        return ValueType("scalar", scalar=str, values=tuple(member.value for member in found))
    return ValueType("model", model=found)


def _typespec(model: Any) -> Shape:
    model.__new__(model)  # the models register their fields when the first one is made
    hints = typing.get_type_hints(model, localns={"_models": _models_of(model), "_types": types.SimpleNamespace()})
    fields = []
    discriminator = ""
    for name, rest in model._attr_to_rest_field.items():
        if rest._is_discriminator:
            discriminator = rest._rest_name
        if rest._visibility == ["read"]:
            continue
        hint = hints[name]
        required = type(None) not in typing.get_args(hint)
        fields.append(Field((rest._rest_name,), _hinted(hint), required))
    return Shape(model.__name__, tuple(fields), discriminator, getattr(model, "__mapping__", {}))


def _hinted(hint: Any) -> ValueType:
    origin, arguments = typing.get_origin(hint), [part for part in typing.get_args(hint) if part is not type(None)]
    if origin in (typing.Union, types.UnionType):
        values = [part for part in arguments if isinstance(part, type) and issubclass(part, Enum)]
        if values:
            return ValueType("scalar", scalar=str, values=tuple(member.value for member in values[0]))
        return _hinted(arguments[0])
    if origin is list:
        return ValueType("list", inner=_hinted(arguments[0]))
    if origin is dict:
        return ValueType("map", inner=_hinted(arguments[1]))
    if hint in (str, bool, int, float):
        return ValueType("scalar", scalar=hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ValueType("scalar", scalar=str, values=tuple(member.value for member in hint))
    if isinstance(hint, type) and hasattr(hint, "_attr_to_rest_field") | (
        "Model" in {k.__name__ for k in hint.__mro__}
    ):
        return ValueType("model", model=hint)
    if typing.get_origin(hint) is Literal:
        return ValueType("scalar", scalar=str)
    return ValueType("scalar", scalar=str) if getattr(hint, "__name__", "") in ("datetime", "timedelta") else ANYTHING


def _models_of(model: type) -> Any:
    return sys.modules[model.__module__.rsplit("._models", maxsplit=1)[0]]
