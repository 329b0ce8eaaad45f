"""The process of a project's extensions/: confines itself, loads them, and answers what client.py asks.

Started with an environment without credentials, and the three bounds of `limit_resources` among its arguments. What
the code prints goes to standard error; standard output carries messages alone. What it answers is checked by the
process that asked: nothing here is trusted.
"""

from __future__ import annotations

import io
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from model_package.errors import ExtensionError
from model_package.isolation.messages import receive, send
from model_package.isolation.sandbox import confine, limit_resources

_REASON_CHARACTERS = 1_000
_KEPT_PREPARED = 8
# What a task's class says of itself.
TASK_FIELDS = (
    "name",
    "base",
    "words",
    "output",
    "represented_as",
    "metrics",
    "slice_metrics",
    "change",
    "main_metric",
    "decision_key",
    "explained_as",
    "rarest",
    "subgroup_metrics",
    "subgroup_fact_titles",
    "charts",
)


def main() -> int:
    """Serve the extensions in the folder that the command line names, with a folder of its own to write to."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    inputs, home = map(Path, sys.argv[1:3])
    limit_resources(*map(int, sys.argv[3:]))
    confine([inputs], [home])
    # Imported here, because a thread of numpy's that was started earlier would not be confined.
    from model_package.tasks.extensions import FOLDER, load_extensions

    server: _Server | ExtensionError
    try:
        server = _Server(inputs, load_extensions(inputs / FOLDER))
    except ExtensionError as error:
        server = error
    while True:
        try:
            document, content = receive(sys.stdin.buffer)
        except EOFError:
            return 0
        send(answers, *_answer(server, document, content))


def _answer(server: _Server | ExtensionError, document: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    from model_package.isolation.values import pack, unpack

    try:
        if isinstance(server, ExtensionError):
            raise server
        question = unpack(document, content)
        return pack(getattr(server, question["do"])(**question["with"]))
    except Exception as error:  # noqa: BLE001 - the fork's code may raise anything; the caller says it
        reason = error.reason if isinstance(error, ExtensionError) else str(error)
        file = error.file if isinstance(error, ExtensionError) else ""
        return {"refused": {"kind": type(error).__name__, "file": file, "reason": reason[:_REASON_CHARACTERS]}}, b""


class _Server:
    """The extensions, and what was prepared with them. Each public method answers one kind of question."""

    def __init__(self, inputs: Path, loaded: Any) -> None:
        self._inputs = inputs
        self._loaded = loaded
        self._tasks: dict[tuple[str, str], Any] = {}
        self._scored: dict[int, Any] = {}
        self._prepared = 0

    def describe(self) -> dict[str, Any]:
        """Return what the extensions add, without the code."""
        return {
            "metrics": [_described(each) for each in self._loaded.metrics],
            "gates": [_described(each) for each in self._loaded.gates],
            "monitor": [_described(each) for each in self._loaded.monitor],
            "tasks": [_task_described(each) for each in self._loaded.tasks],
        }

    def metric(self, name: str, target: Any, answer: Any, weights: Any) -> Any:
        """Return a metric for every weighting: weights [weightings, rows] → [weightings]."""
        import numpy as np

        from model_package.tasks.extensions import METRICS_FILE, call

        function = _named(self._loaded.metrics, name).function
        return np.array([call(METRICS_FILE, name, function, target, answer, row) for row in weights], np.float64)

    def gate(self, name: str, package: str, rows: bytes) -> float:
        """Return a measure of a model package and the held-out rows."""
        return self._measured(self._loaded.gates, name, self._inputs / package, _table(rows))

    def monitor(self, name: str, rows: bytes) -> float:
        """Return a measure of a window's rows."""
        return self._measured(self._loaded.monitor, name, _table(rows))

    def task(self, name: str, schema: dict[str, Any], member: str, arguments: list[Any], names: dict[str, Any]) -> Any:
        """Return what a member of a task answers."""
        task = self._task(name, schema)
        found = getattr(task, member)
        return found(*_rebuilt(task, member, arguments), **names) if callable(found) else found

    def prepare(self, name: str, schema: dict[str, Any], arguments: list[Any]) -> int:
        """Prepare rows for weightings; return the number by which to ask for them."""
        self._prepared += 1
        self._scored[self._prepared] = self._task(name, schema).prepare(*arguments)
        # Nobody asks for older ones: two models are compared at once.
        self._scored.pop(self._prepared - _KEPT_PREPARED, None)
        return self._prepared

    def measure(self, number: int, weights: Any) -> Any:
        """Return every metric of prepared rows for every weighting."""
        return dict(self._scored[number].measure(weights))

    def _measured(self, measures: Any, name: str, *arguments: Any) -> float:
        from model_package.tasks.extensions import MEASURES_FILE, call

        return call(MEASURES_FILE, name, _named(measures, name).function, *arguments)

    def _task(self, name: str, document: dict[str, Any]) -> Any:
        from model_package.schema import Schema

        key = (name, repr(document))
        if key not in self._tasks:
            self._tasks[key] = _named(self._loaded.tasks, name)(Schema.parse(document, "schema.json"))
        return self._tasks[key]


def _named(listed: Any, name: str) -> Any:
    return next(each for each in listed if each.name == name)


def _described(added: Any) -> dict[str, Any]:
    return {each.name: getattr(added, each.name) for each in fields(added) if each.name != "function"}


def _task_described(task: Any) -> dict[str, Any]:
    found = {name: getattr(task, name) for name in TASK_FIELDS}
    found["metrics"] = [_described(each) for each in task.metrics]
    return {**found, "change": _described(task.change), "decides": task.decides()}


def _table(content: bytes) -> Any:
    import polars as pl

    return pl.read_ipc(io.BytesIO(content))


def _rebuilt(task: Any, member: str, arguments: list[Any]) -> list[Any]:
    """Return arguments as the objects that a member of a task takes."""
    from model_package.baseline import Distribution
    from model_package.documents import Fields
    from model_package.evaluation import Evaluation, SubgroupEvaluation
    from model_package.tasks.task import SliceMetric

    match member, arguments:
        case "draw", [chart, *rest]:
            return [next(each for each in task.charts if each.title == chart["title"]), *rest]
        case "rate", [metric, *rest]:
            return [SliceMetric(**metric), *rest]
        case "rate_before", [metric, stated]:
            return [SliceMetric(**metric), SubgroupEvaluation.parse(Fields(stated, "subgroup"))]
        case "prediction_change", [answer, evaluation, training]:
            parsed = Evaluation.parse(Fields(evaluation, "evaluation.json"))
            return [answer, parsed, Distribution.parse(Fields(training, "predictions"))]
    return arguments


if __name__ == "__main__":
    sys.exit(main())
