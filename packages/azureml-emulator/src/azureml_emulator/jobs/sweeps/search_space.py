"""The search space: reads distributions in both wire formats, and turns uniform numbers into parameters. Pure: no I/O.

A job sends `["uniform", [0.1, 1]]`, a pipeline step `{"type": "uniform", "min_value": 0.1, "max_value": 1}`. A value of
a `choice` may be an object whose values are distributions: each of them is an axis of its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from statistics import NormalDist
from typing import Any

from azureml_emulator.jobs.definitions.sweep import Distribution
from azureml_emulator.jobs.definitions.wire import refuse

CHOICE = "choice"
RANDINT = "randint"
UNIFORM = "uniform"
QUNIFORM = "quniform"
# The arguments of each distribution, in the order in which jobs send them.
_ARGUMENTS = {
    CHOICE: ("values",),
    RANDINT: ("upper",),
    UNIFORM: ("min_value", "max_value"),
    QUNIFORM: ("min_value", "max_value", "q"),
    "loguniform": ("min_value", "max_value"),
    "qloguniform": ("min_value", "max_value", "q"),
    "normal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "lognormal": ("mu", "sigma"),
    "qlognormal": ("mu", "sigma", "q"),
}
_LARGEST_UNIT = math.nextafter(1.0, 0.0)
_STANDARD_NORMAL = NormalDist()
Axis = tuple[str, ...]


def read_space(given: Any) -> dict[str, Distribution]:
    """The distribution of each parameter. Raises BadRequest for one that cannot be sampled."""
    if not isinstance(given, dict) or not given:
        raise refuse("A sweep needs a search space with at least one parameter.", "searchSpace")
    return {str(name): _read(value, f"searchSpace.{name}") for name, value in given.items()}


def axes(space: Mapping[str, Distribution]) -> dict[Axis, Distribution]:
    """All distributions of a space, also those inside of choices, by their path."""
    return {axis: inner for name, distribution in space.items() for axis, inner in _axes((name,), distribution)}


def parameters(space: Mapping[str, Distribution], values: Mapping[Axis, Any]) -> dict[str, Any]:
    """The parameters of a trial, from a value for each axis."""
    return {name: _resolved((name,), distribution, values) for name, distribution in space.items()}


def value_at(distribution: Distribution, unit: float, log_base: float) -> Any:
    """The value of a distribution at a quantile from 0 to 1; of a choice the index of its value."""
    unit = min(max(unit, 0.0), _LARGEST_UNIT)
    kind, arguments = distribution.kind, distribution.arguments
    if kind in {CHOICE, RANDINT}:
        return int(unit * size(distribution))
    if kind.endswith("uniform"):
        number = arguments[0] + unit * (arguments[1] - arguments[0])
    else:
        number = arguments[0] + arguments[1] * _STANDARD_NORMAL.inv_cdf(max(unit, 1e-12))
    if "log" in kind:
        number = log_base**number
    return _multiple(number, arguments[2]) if kind.startswith("q") else number


def size(distribution: Distribution) -> int:
    """How many values a choice or randint has."""
    return len(distribution.arguments) if distribution.kind == CHOICE else int(distribution.arguments[0])


def as_argument(value: Any, declared: str = "") -> str:
    """A parameter as text for a command; of a component's integer input without a fraction."""
    if isinstance(value, dict | list):
        return json.dumps(value)
    if declared == "integer" and isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _axes(axis: Axis, distribution: Distribution) -> Iterator[tuple[Axis, Distribution]]:
    yield axis, distribution
    if distribution.kind != CHOICE:
        return
    for index, value in enumerate(distribution.arguments):
        for name, inner in value.items() if isinstance(value, dict) else ():
            if isinstance(inner, Distribution):
                yield from _axes((*axis, str(index), name), inner)


def _resolved(axis: Axis, distribution: Distribution, values: Mapping[Axis, Any]) -> Any:
    found = values[axis]
    if distribution.kind != CHOICE:
        return found
    chosen = distribution.arguments[found]
    if not isinstance(chosen, dict):
        return chosen
    return {
        name: _resolved((*axis, str(found), name), inner, values) if isinstance(inner, Distribution) else inner
        for name, inner in chosen.items()
    }


def _multiple(number: float, step: float) -> float:
    # Whole numbers stay whole, because programs parse them: int("10.0") fails.
    return round(number / step) * step


def _read(given: Any, where: str) -> Distribution:
    kind, arguments = _kind_and_arguments(given, where)
    if kind == CHOICE:
        (values,) = arguments
        if not isinstance(values, list) or not values:
            raise refuse(f"{where}: a choice needs a list of at least one value.", where)
        return Distribution(kind, tuple(_choice_value(value, where) for value in values))
    for argument in arguments:
        if isinstance(argument, bool) or not isinstance(argument, int | float) or not math.isfinite(argument):
            raise refuse(f"{where}: {kind} needs finite numbers, not {argument!r}.", where)
    _check_numbers(kind, arguments, where)
    return Distribution(kind, tuple(arguments))


def _kind_and_arguments(given: Any, where: str) -> tuple[str, list[Any]]:
    match given:
        case [str(kind), list(arguments)]:
            kind = kind.lower()
        case {"type": str(kind), **rest}:
            kind = kind.lower()
            arguments = [rest.get(name) for name in _ARGUMENTS.get(kind, ())]
        case _:
            raise refuse(f"{where} is not a distribution: {given!r}.", where)
    if kind not in _ARGUMENTS:
        raise refuse(f"{where}: unknown distribution '{kind}'. There are: {', '.join(_ARGUMENTS)}.", where)
    if len(arguments) != len(_ARGUMENTS[kind]):
        raise refuse(f"{where}: {kind} needs {', '.join(_ARGUMENTS[kind])}; it has {arguments}.", where)
    return kind, arguments


def _choice_value(value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        str(name): _read(inner, f"{where}.{name}") if _is_distribution(inner) else inner
        for name, inner in value.items()
    }


def _is_distribution(value: Any) -> bool:
    match value:
        case [str(kind), list()] | {"type": str(kind)}:
            return kind.lower() in _ARGUMENTS
    return False


def _check_numbers(kind: str, arguments: list[Any], where: str) -> None:
    if kind == RANDINT and (not isinstance(arguments[0], int) or arguments[0] < 1):
        raise refuse(f"{where}: the upper bound of randint must be a whole number of at least 1.", where)
    if kind.endswith("uniform") and arguments[0] > arguments[1]:
        raise refuse(f"{where}: min_value {arguments[0]} is above max_value {arguments[1]}.", where)
    if kind.endswith("normal") and arguments[1] < 0:
        raise refuse(f"{where}: sigma {arguments[1]} is negative.", where)
    if kind.startswith("q") and arguments[2] <= 0:
        raise refuse(f"{where}: q must be above 0, not {arguments[2]}.", where)
