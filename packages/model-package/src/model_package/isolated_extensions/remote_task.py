"""A task of extensions/ as a class like any other, each of whose members asks the process for its answer.

Whatever it answers has the kind and the number of rows that the interface (tasks.task) promises, or is refused.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from pydantic import TypeAdapter

from model_package.evaluation import CalibrationBin
from model_package.measures import Measure, slice_metric
from model_package.tasks.task import ColumnKind, SubgroupRate, Task

if TYPE_CHECKING:
    import numpy.typing as npt

    from model_package.isolated_extensions.description import TaskDescribed

    Doubles = npt.NDArray[np.float64]

Check = Callable[[Any], Any]
Scalar = str | int | float | bool | None


class Ask(Protocol):
    """Asks the process for the checked answer of a task. Raises ExtensionError, or what a task may raise."""

    def __call__(self, name: str, do: str, check: Check, values: Mapping[str, Any]) -> Any:
        """Return the answer."""
        ...


def checked_floats(value: Any, shape: tuple[int | None, ...] | None = None, rows: int | None = None) -> Doubles:
    """Return an array of numbers. Raises ValueError for anything else, or other lengths than those given."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        raise ValueError(f"it must be an array of numbers, not a {type(value).__name__}")
    if shape is not None and value.shape != shape:
        raise ValueError(f"its shape must be {list(shape)}, not {list(value.shape)}")
    if rows is not None and (not value.ndim or len(value) != rows):
        raise ValueError(f"it must have {rows} rows, not the shape {list(value.shape)}")
    return value.astype(np.float64, copy=False) if value.dtype.kind != "f" else value


def remote_task(described: TaskDescribed, ask: Ask) -> type[Task]:
    """Return the class of a task that the process has."""
    decides = described.decides
    members: dict[str, Any] = {
        **described.class_attributes(),
        "__doc__": f"The task {described.name} of extensions/, in its own process.",
        "__module__": __name__,
        "decides": classmethod(lambda _: decides),
        "prepare": _prepare(described, ask),
        **{name: _method(described.name, name, check, ask) for name, check in _METHODS.items()},
        **{name: property(_attribute(described.name, name, check, ask)) for name, check in _ATTRIBUTES.items()},
    }
    return type(described.name, (Task,), members)


def _method(task: str, member: str, check: Callable[..., Any], ask: Ask) -> Callable[..., Any]:
    def method(self: Task, *arguments: Any, **names: Any) -> Any:
        sent = {"arguments": [_sent(each) for each in arguments], "names": names}
        asked = {"name": task, "schema": self.schema.as_document(), "member": member, **sent}
        return ask(task, "task", lambda found: check(found, *arguments, **names), asked)

    return method


def _attribute(task: str, member: str, check: Check, ask: Ask) -> Callable[[Task], Any]:
    known = weakref.WeakKeyDictionary[Task, Any]()

    def attribute(self: Task) -> Any:
        if self not in known:
            asked = {"name": task, "schema": self.schema.as_document(), "member": member}
            known[self] = ask(task, "task", check, {**asked, "arguments": [], "names": {}})
        return known[self]

    return attribute


def _sent(argument: Any) -> Any:
    """Return an argument as it travels: what has a document as that."""
    return argument.as_document() if hasattr(argument, "as_document") else argument


def _prepare(described: TaskDescribed, ask: Ask) -> Callable[..., Any]:
    def prepare(
        self: Task, target: Any, answer: Any, bins: int = 10, slices: Mapping[str, Any] | None = None
    ) -> _RemoteScored:
        by_slice = [slice_metric(metric.name, each) for each in slices or {} for metric in described.slice_metrics]
        known = [each.name for each in described.metrics]
        needed = {each.name for each in described.metrics if each.gated or each.monitored}
        names = {name: name in needed for name in known} | dict.fromkeys(by_slice, True)
        return _RemoteScored(described.name, ask, names, self.schema.as_document(), [target, answer, bins, slices])

    return prepare


class _RemoteScored:
    """Rows that the process has prepared for weightings."""

    def __init__(
        self, task: str, ask: Ask, names: Mapping[str, bool], schema: dict[str, Any], arguments: list[Any]
    ) -> None:
        """Take the names of all metrics, and whether each must be measured."""
        self._task, self._ask, self._names = task, ask, names
        self.rows = len(arguments[0])
        self._number = ask(task, "prepare", _int, {"name": task, "schema": schema, "arguments": arguments})

    def measure(self, weights: Any) -> dict[str, Doubles]:
        """Return every metric for every weighting: weights [weightings, rows] → arrays [weightings]."""

        def check(found: Any) -> dict[str, Doubles]:
            values = _mapping(found)
            missing = [name for name, needed in self._names.items() if needed and name not in values]
            if missing:
                raise ValueError(f"it measured no {missing[0]}, which it lists")
            return {name: checked_floats(values[name], (len(weights),)) for name in self._names if name in values}

        return self._ask(self._task, "measure", check, {"number": self._number, "weights": weights})


def _adapted(kind: Any) -> Callable[..., Any]:
    adapter = TypeAdapter(kind)
    return lambda found, *_, **__: adapter.validate_python(found)


_int, _text = _adapted(int), _adapted(str)
_floats = _adapted(tuple[float, ...])
_scalars = _adapted(list[Scalar])


def _mapping(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError(f"it must be a mapping, not a {type(found).__name__}")
    return found


def _of_rows(count: Callable[..., int]) -> Callable[..., Any]:
    """Return the check of an array with as many rows as the arguments say."""
    return lambda found, *arguments, **names: checked_floats(found, rows=count(*arguments, **names))


def _first(values: Any, *_: Any, **__: Any) -> int:
    return len(next(iter(values.values()), ())) if isinstance(values, Mapping) else len(values)


def _as_asked(_: Any, rows: int) -> int:
    return rows


def _listed(kind: Any) -> Callable[..., Any]:
    """Return the check of a list with one entry per row of the first argument."""
    adapter = TypeAdapter(list[kind])

    def check(found: Any, values: Any, *_: Any, **__: Any) -> Any:
        entries = adapter.validate_python(found)
        if len(entries) != len(values):
            raise ValueError(f"it must have {len(values)} entries, not {len(entries)}")
        return entries

    return check


def _columns(found: Any, answer: Any) -> dict[str, Any]:
    values = _mapping(found)
    for name, column in values.items():
        if not isinstance(column, np.ndarray) or column.shape[:1] != (len(answer),):
            raise ValueError(f"{name} must be a column of {len(answer)} rows")
    return values


def _curve(found: Any, *_: Any, **__: Any) -> tuple[Doubles, Doubles]:
    across, up = found if isinstance(found, list) and len(found) == 2 else (None, None)
    return checked_floats(across), checked_floats(up, rows=len(checked_floats(across)))


def _edges(found: Any) -> tuple[float, ...] | None:
    edges = TypeAdapter(tuple[float, ...] | None).validate_python(found)
    if edges is not None and (len(edges) < 2 or not (np.diff(edges) > 0).all()):
        raise ValueError("prediction_edges must rise")
    return edges


# How each method's answer is checked: with the answer, then what the method was given.
_METHODS: dict[str, Callable[..., Any]] = {
    "encode": _of_rows(_first),
    "class_counts": _adapted(dict[str, int]),
    "positives": _int,
    "checked_answer": _of_rows(_as_asked),
    "predictions": _listed(dict[str, Any]),
    "columns": _columns,
    "answer_of": _of_rows(_first),
    "recorded_answer": _of_rows(_first),
    "decisions": _listed(Scalar),
    "represent": _of_rows(_first),
    "explained": _of_rows(_first),
    "described": _text,
    "distances": _of_rows(_first),
    "calibration": _adapted(tuple[CalibrationBin, ...]),
    "facts": _adapted(dict[str, float]),
    "subgroup_facts": _adapted(dict[str, float | None]),
    "rate": _adapted(SubgroupRate),
    "rate_before": _adapted(SubgroupRate | None),
    "prediction_change": _adapted(Measure),
    "draw": _curve,
    "decisions_of": _listed(Scalar),
    "reply_facts": _adapted(dict[str, float]),
}
_ATTRIBUTES: dict[str, Check] = {
    "outcomes": _text,
    "numeric_outcomes": _adapted(bool),
    "column_kinds": _adapted(dict[str, ColumnKind]),
    "column_limits": _adapted(tuple[float, float] | None),
    "prediction_edges": _edges,
    "prediction_classes": _floats,
    "prediction_bins_names": _adapted(tuple[str, ...]),
}
