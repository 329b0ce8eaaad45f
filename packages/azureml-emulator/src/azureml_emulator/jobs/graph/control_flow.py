"""Reads the nodes if_else, do_while and parallel_for. Refuses those that could never decide. Pure: no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from azureml_emulator.jobs.definitions.control_flow import DO_WHILE, Choice, DoWhile, ParallelFor, ReadBody
from azureml_emulator.jobs.definitions.steps import VALUE_TYPES, FromStep, Gate, Literal
from azureml_emulator.jobs.definitions.wire import refuse
from azureml_emulator.jobs.graph.bindings import Bindings, Frame, job_name, kind_of_node, known

_MAX_ITERATIONS = 1000
_PORT = re.compile(r"^\$\{\{\s*parent\.jobs\.[\w-]+\.(?:inputs|outputs)\.([\w-]+)\s*\}\}$")
# A loop collects what its iterations write: data in a table, values in a JSON text.
_TABLE = "mltable"
_TEXT = "string"


class ControlFlowReader:
    """Reads one such node; `where` is its name in the graph."""

    def __init__(self, bindings: Bindings, frame: Frame, where: str, node: dict[str, Any]) -> None:
        self._bindings = bindings
        self._frame = frame
        self._where = where
        self._node = node

    def choice(self) -> Choice:
        """The node if_else. Raises BadRequest."""
        condition = self._source("condition")
        waits_for = frozenset({condition.step} if isinstance(condition, FromStep) else ())
        if not list(self.branches()):
            raise self._wrong("true_block", "names no step, and neither does its false_block")
        return Choice(self._where, waits_for, condition=condition)

    def branches(self) -> Iterator[tuple[str, Gate]]:
        """The steps and nested pipelines of both branches, with their gates."""
        for name, taken in (("true_block", True), ("false_block", False)):
            given = self._node.get(name) or []
            for block in given if isinstance(given, list) else [given]:
                job = job_name(block)
                self._require_job(name, job)
                yield f"{self._frame.prefix}{job}", Gate(self._where, taken)

    def loop(self, body: str, read: ReadBody) -> DoWhile | ParallelFor:
        """The node do_while or parallel_for. `read` reads its body for an iteration. Raises BadRequest."""
        self._require_job("body", body)
        node = self._frame.jobs[body]
        specification = self._bindings.specification(self._frame, body, node)
        types = {
            name: str((declared or {}).get("type", "uri_folder")).lower()
            for name, declared in (specification.get("outputs") or {}).items()
        }
        sources = [
            self._bindings.bound(self._frame, f"{self._where}.body.inputs.{name}", value)
            for name, value in (node.get("inputs") or {}).items()
        ]
        waits_for = frozenset(source.step for source in sources if isinstance(source, FromStep))
        if kind_of_node(self._node) == DO_WHILE:
            return self._do_while(read, types, waits_for, set(specification.get("inputs") or {}))
        return self._parallel_for(read, types, waits_for)

    def _do_while(self, read: ReadBody, types: dict[str, str], waits_for: frozenset[str], inputs: set[str]) -> DoWhile:
        given = self._node.get("condition")
        condition = None if given is None or str(given).lower() == "true" else _port(given)
        if condition is not None and types.get(condition) not in VALUE_TYPES:
            raise self._wrong("condition", f"is '{condition}', which is not a boolean output of its body")
        mapping = {}
        for output, given in (self._node.get("mapping") or {}).items():
            targets = tuple(_port(each) for each in (given if isinstance(given, list) else [given]))
            unknown = sorted({*({_port(output)} - types.keys()), *(set(targets) - inputs)})
            if unknown:
                raise self._wrong("mapping", f"names '{unknown[0]}', which its body does not have")
            mapping[_port(output)] = targets
        first = read("0", {})
        unwritten = sorted({*mapping, *({condition} if condition else ())} - first.outputs.keys())
        if unwritten:
            raise self._wrong("body", f"has no step that writes its output '{unwritten[0]}'")
        return DoWhile(
            self._where,
            waits_for,
            read=read,
            output_types=types,
            checked=(first,),
            condition=condition,
            mapping=mapping,
            limit=self._count((self._node.get("limits") or {}).get("max_iteration_count"), "max_iteration_count"),
        )

    def _parallel_for(self, read: ReadBody, types: dict[str, str], waits_for: frozenset[str]) -> ParallelFor:
        given = self._node.get("items")
        text = given if isinstance(given, str) else json.dumps(given)
        items = self._source("items", text)
        checked = ()
        if isinstance(items, Literal):
            checked = tuple(read(name, inputs) for name, inputs in read_items(items.text, self._where).items())
        else:
            waits_for |= {items.step}
        limit = self._node.get("max_concurrency")
        return ParallelFor(
            self._where,
            waits_for,
            read=read,
            output_types={name: _TEXT if kind in VALUE_TYPES else _TABLE for name, kind in types.items()},
            checked=checked,
            items=items,
            concurrency=None if limit is None else self._count(limit, "max_concurrency"),
        )

    def _source(self, field: str, text: str | None = None) -> Literal | FromStep:
        value = self._node.get(field) if text is None else text
        if value is None:
            raise self._wrong(field, "is missing")
        source = self._bindings.bound(self._frame, f"{self._where}.{field}", str(value))
        if not isinstance(source, Literal | FromStep):
            raise self._wrong(field, f"is '{value}', which is not a value")
        return source

    def _count(self, value: Any, field: str) -> int:
        text = str(value)
        if not text.isdigit() or not 1 <= int(text) <= _MAX_ITERATIONS:
            raise self._wrong(field, f"is '{value}'; it must be an integer from 1 to {_MAX_ITERATIONS}")
        return int(text)

    def _require_job(self, field: str, job: str) -> None:
        if job not in self._frame.jobs:
            raise refuse(f"'{self._where}': {field} names the unknown step '{job}'.{known(self._frame.jobs)}", field)

    def _wrong(self, field: str, what: str) -> Exception:
        return refuse(f"'{self._where}': {field} {what}.", f"jobs.{self._where}.{field}")


def read_items(text: str, where: str) -> dict[str, dict[str, Any]]:
    """The inputs of each iteration of a parallel_for node, by its name or its number. Raises BadRequest."""
    try:
        items = json.loads(text)
    except ValueError as error:
        raise refuse(f"'{where}': the items are not JSON: {error}.", "items") from error
    named = {str(number): item for number, item in enumerate(items)} if isinstance(items, list) else items
    if not isinstance(named, dict) or not all(isinstance(item, dict) for item in named.values()):
        raise refuse(f"'{where}': the items must be a list or an object of objects with the inputs of each.", "items")
    for name in named:
        if not re.fullmatch(r"[\w-]+", name):
            raise refuse(f"'{where}': the item '{name}' needs a name of letters, digits, '_' and '-'.", "items")
    return named


def _port(expression: Any) -> str:
    """The name in `${{parent.jobs.BODY.outputs.NAME}}`, or the name itself."""
    match = _PORT.match(str(expression).strip())
    return match[1] if match else str(expression)
