"""A matrix as the list of its combinations: every combination of the lists, without `exclude`, with `include`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from workflow_replay.github.expressions.values import Value, equal, to_text

_MOST_JOBS: Final = 256
_OPERATIONS: Final = ("include", "exclude")

Combination = dict[str, Value]


class MatrixError(Exception):
    """The matrix makes no jobs, or too many; the text says why."""


def combinations(matrix: Value) -> list[Combination]:
    """All combinations of a matrix whose expressions are evaluated. Raises MatrixError."""
    if not isinstance(matrix, Mapping):
        raise MatrixError("a matrix needs names with lists")
    lists = {name: _list(name, values) for name, values in matrix.items() if name not in _OPERATIONS}
    names = list(lists)
    found = [dict(zip(names, values, strict=True)) for values in itertools.product(*lists.values())] if names else []
    excluded = _objects("exclude", matrix)
    found = [one for one in found if not any(_covers(one, entry) for entry in excluded)]
    found = _include(found, _objects("include", matrix), names)
    if not found:
        raise MatrixError("the matrix has no combination")
    if len(found) > _MOST_JOBS:
        raise MatrixError(f"the matrix makes {len(found)} jobs; {_MOST_JOBS} are the most")
    return found


def label(combination: Mapping[str, Value]) -> str:
    """The values of a combination for people, in the order of the matrix."""
    return ", ".join(part for value in combination.values() for part in _texts(value))


def _include(found: list[Combination], entries: Sequence[Mapping[str, Value]], names: list[str]) -> list[Combination]:
    """Add each entry to the combinations whose own values it keeps; when there is none it is one of its own."""
    originals = [dict(one) for one in found]
    added: list[Combination] = []
    for entry in entries:
        fitting = [
            combination
            for combination, original in zip(found, originals, strict=True)
            if all(name not in entry or _same(entry[name], original[name]) for name in names)
        ]
        for combination in fitting:
            combination.update(entry)
        if not fitting:
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
        raise MatrixError(f"matrix.{name} needs a list that is not empty")
    return values


def _objects(operation: str, matrix: Mapping[str, Value]) -> list[Mapping[str, Value]]:
    entries = matrix.get(operation) or []
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise MatrixError(f"matrix.{operation} needs a list of names with values")
    return [dict(entry) for entry in entries]


def _texts(value: Value) -> list[str]:
    if isinstance(value, Mapping):
        return [part for inner in value.values() for part in _texts(inner)]
    if isinstance(value, list):
        return [part for inner in value for part in _texts(inner)]
    return [to_text(value)]
