"""Compares a value with a model: unknown and missing properties, wrong types, unknown enum values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.arm.shapes import Field, ValueType, shape_of


def problems_of(value: Any, model: type, path: str = "") -> Iterator[str]:
    """Everything that is wrong with a value, one sentence each."""
    if not isinstance(value, dict):
        yield f"{path}: {model.__name__} is an object, not {value!r}"
        return
    model = _descendant(value, model)
    shape = shape_of(model)
    known = _tree(shape.fields)
    yield from _against(value, known, path or shape.name)


def _descendant(value: dict[str, Any], model: type) -> type:
    shape = shape_of(model)
    chosen = shape.descendants.get(str(value.get(shape.discriminator))) if shape.discriminator else None
    return model if chosen is None or chosen is model else _descendant(value, chosen)


def _tree(fields: tuple[Field, ...]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for entry in fields:
        branch = tree
        for part in entry.path[:-1]:
            branch = branch.setdefault(part, {})
        branch[entry.path[-1]] = entry
    return tree


def _against(value: dict[str, Any], tree: dict[str, Any], path: str) -> Iterator[str]:
    for key, part in value.items():
        here = f"{path}.{key}"
        expected = tree.get(key)
        if expected is None:
            yield f"{here}: unknown property; known are {', '.join(sorted(tree))}"
        elif isinstance(expected, dict):
            yield from _against(part, expected, here) if isinstance(part, dict) else iter([f"{here}: is not an object"])
        else:
            yield from _kind_problems(part, expected.kind, here)
    for key, expected in tree.items():
        if isinstance(expected, Field) and expected.required and key not in value:
            yield f"{path}.{key}: is required"


def _kind_problems(value: Any, kind: ValueType, path: str) -> Iterator[str]:
    match kind.what:
        case "any":
            return
        case "scalar":
            yield from _scalar_problems(value, kind, path)
        case "list" if kind.inner is not None:
            if not isinstance(value, list):
                yield f"{path}: is a list, not {value!r}"
                return
            for number, item in enumerate(value):
                yield from _kind_problems(item, kind.inner, f"{path}[{number}]")
        case "map" if kind.inner is not None:
            if not isinstance(value, dict):
                yield f"{path}: is a map, not {value!r}"
                return
            for key, item in value.items():
                yield from _kind_problems(item, kind.inner, f"{path}.{key}")
        case "model" if kind.model is not None:
            yield from problems_of(value, kind.model, path)


def _scalar_problems(value: Any, kind: ValueType, path: str) -> Iterator[str]:
    if kind.values and value not in kind.values:
        yield f"{path}: {value!r} is not one of {', '.join(kind.values)}"
    elif kind.scalar is bool and not isinstance(value, bool):
        yield f"{path}: {value!r} is not true or false"
    elif kind.scalar is int and (isinstance(value, bool) or not isinstance(value, int | float) or value != int(value)):
        yield f"{path}: {value!r} is not a whole number"
    elif kind.scalar is float and (isinstance(value, bool) or not isinstance(value, int | float)):
        yield f"{path}: {value!r} is not a number"
    elif kind.scalar is str and not isinstance(value, str):
        yield f"{path}: {value!r} is not a string"
