"""Expands a matrix to its combinations, with `exclude` and `include` applied."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from workflow_replay.github.expressions.values import Value, equal, to_text

_MAX_JOBS: Final = 256
_OPERATIONS: Final = ("include", "exclude")

Combination = dict[str, Value]


class MatrixError(Exception):
    """The matrix is invalid, empty or too large."""


def combinations(matrix: Value) -> list[Combination]:
    """The combinations of a matrix whose expressions have been evaluated. Raises MatrixError."""
    if not isinstance(matrix, Mapping):
        raise MatrixError("a matrix must be a mapping of lists")
    lists = {name: _list(name, values) for name, values in matrix.items() if name not in _OPERATIONS}
    names = list(lists)
    found = [dict(zip(names, values, strict=True)) for values in itertools.product(*lists.values())] if names else []
    excluded = _objects("exclude", matrix)
    found = [one for one in found if not any(_covers(one, entry) for entry in excluded)]
    found = _include(found, _objects("include", matrix), names)
    if not found:
        raise MatrixError("the matrix has no combinations")
    if len(found) > _MAX_JOBS:
        raise MatrixError(f"the matrix has {len(found)} jobs; the maximum is {_MAX_JOBS}")
    return found


def label(combination: Mapping[str, Value]) -> str:
    """The values of a combination as GitHub displays them, in the order of the matrix."""
    return ", ".join(part for value in combination.values() for part in _texts(value))


def _include(found: list[Combination], entries: Sequence[Mapping[str, Value]], names: list[str]) -> list[Combination]:
    """Add each entry to the combinations whose original values it does not change, else as a new combination."""
    originals = [dict(one) for one in found]
    added: list[Combination] = []
    for entry in entries:
        matching = [
            combination
            for combination, original in zip(found, originals, strict=True)
            if all(name not in entry or _same(entry[name], original[name]) for name in names)
        ]
        for combination in matching:
            combination.update(entry)
        if not matching:
            added.append(dict(entry))
    return found + added


def _covers(combination: Combination, entry: Mapping[str, Value]) -> bool:
    return all(name in combination and _same(combination[name], value) for name, value in entry.items())


def _same(left: Value, right: Value) -> bool:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return all(key in left and _same(left[key], value) for key, value in right.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_same(one, other) for one, other in zip(left, right, strict=True))
    return type(left) is type(right) and equal(left, right)


def _list(name: str, values: Value) -> list[Any]:
    if not isinstance(values, list) or not values:
        raise MatrixError(f"matrix.{name} must be a list with at least one value")
    return values


def _objects(operation: str, matrix: Mapping[str, Value]) -> list[Mapping[str, Value]]:
    entries = matrix.get(operation) or []
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise MatrixError(f"matrix.{operation} must be a list of mappings")
    return [dict(entry) for entry in entries]


def _texts(value: Value) -> list[str]:
    if isinstance(value, Mapping):
        return [part for inner in value.values() for part in _texts(inner)]
    if isinstance(value, list):
        return [part for inner in value for part in _texts(inner)]
    return [to_text(value)]
