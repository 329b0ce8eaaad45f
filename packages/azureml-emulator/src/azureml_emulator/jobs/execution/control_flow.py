"""Runs the control nodes of a job: evaluates conditions, starts the iterations of loops and collects their outputs.

The steps of an iteration are added to the graph, and run like all others by `runner.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from azureml_emulator.jobs.definitions.control_flow import Choice, DoWhile, Iteration, Loop, ParallelFor
from azureml_emulator.jobs.definitions.states import (
    COMPLETED,
    FAILED,
    NOT_STARTED,
    RUNNING,
    TERMINAL,
    State,
)
from azureml_emulator.jobs.definitions.steps import VALUE_TYPES, FromStep, Graph, Literal, StepOutput
from azureml_emulator.jobs.execution.nested_pipelines import Levels
from azureml_emulator.jobs.graph.control_flow import read_items
from azureml_emulator.jobs.graph.scheduling import outcome
from azureml_emulator.jobs.job_paths import JobPaths
from azureml_emulator.jobs.job_records import failure
from azureml_emulator.kernel.errors import BadRequest, EmulatorError
from azureml_emulator.kernel.resource_id import Scope

_TRUE = frozenset({"true", "1"})
_FALSE = frozenset({"false", "0"})
_TABLE_FILE = "MLTable"


@dataclass
class _Iterations:
    """The iterations of a running loop: those that wait, those that were started, those that have completed."""

    waiting: dict[str, Mapping[str, Any]]
    started: dict[str, Iteration] = field(default_factory=dict)
    completed: set[str] = field(default_factory=set)


class ControlFlow:
    """The control nodes of one job. `states` and `outputs` are those of the job's nodes, which it changes."""

    def __init__(
        self,
        graph: Graph,
        levels: Levels,
        job_paths: JobPaths,
        scope: Scope,
        states: dict[str, State],
        outputs: dict[str, dict[str, Path]],
    ) -> None:
        self._graph = graph
        self._levels = levels
        self._job_paths = job_paths
        self._scope = scope
        self._states = states
        self._outputs = outputs
        self._loops: dict[str, _Iterations] = {}
        self.taken: dict[str, bool] = {}

    async def start(self, name: str) -> None:
        """Start a control node whose needs have completed."""
        self._states[name] = RUNNING
        self._levels.start(name)
        control = self._graph.controls[name]
        try:
            match control:
                case Choice(condition=condition):
                    self.taken[name] = self._is_true(condition, name)
                    self._levels.log(name, f"the condition is {self.taken[name]}.")
                    await self._end(name, COMPLETED)
                case DoWhile():
                    self._loops[name] = _Iterations({"0": {}})
                case ParallelFor(items=items):
                    self._loops[name] = _Iterations(dict(read_items(self._text(items), name)))
        except (EmulatorError, OSError) as error:
            await self._end(name, FAILED, str(error))

    async def follow(self) -> bool:
        """Start the next iterations of running loops, and end loops that are done. Returns whether anything changed."""
        changed = False
        for name, loop in list(self._loops.items()):
            try:
                changed |= await self._follow(name, loop)
            except (EmulatorError, OSError) as error:
                await self._end(name, FAILED, str(error))
                changed = True
        return changed

    async def _follow(self, name: str, loop: _Iterations) -> bool:
        control = self._graph.controls[name]
        ended = [which for which in loop.started if which not in loop.completed and self._inside(loop, which) is None]
        states = {which: outcome(self._states_of(loop.started[which])) for which in ended}
        loop.completed |= {which for which, state in states.items() if state == COMPLETED}
        lost = [state for state in states.values() if state != COMPLETED]
        running = len(loop.started) - len(loop.completed) - len(lost)
        if lost or self._is_halted():
            loop.waiting.clear()
        if isinstance(control, DoWhile) and states and not lost:
            self._continue(control, loop)
        limit = control.concurrency if isinstance(control, ParallelFor) else None
        begin = [which for number, which in enumerate(loop.waiting) if limit is None or number < limit - running]
        for which in begin:
            self._expand(control, loop, which)
        if begin or running:
            return bool(begin)
        end = outcome({which: outcome(self._states_of(each)) for which, each in loop.started.items()})
        if end == COMPLETED:
            self._collect(name, control, loop)
        await self._end(name, end, f"An iteration of the loop '{name}' failed." if end == FAILED else None)
        return True

    def _continue(self, loop: DoWhile, iterations: _Iterations) -> None:
        """Let another iteration follow the last one when the condition is true and the limit is not reached."""
        last = iterations.started[max(iterations.started, key=int)]
        count = len(iterations.started)
        if loop.condition is not None and not self._is_true(last.outputs[loop.condition], loop.name):
            return
        if count >= loop.limit:
            self._levels.log(loop.name, f"ends after {count} iterations, its limit.")
            return
        carried = {target: last.outputs[output] for output, targets in loop.mapping.items() for target in targets}
        iterations.waiting[str(count)] = carried

    def _expand(self, control: Any, loop: _Iterations, which: str) -> None:
        iteration = control.read(which, loop.waiting.pop(which))
        loop.started[which] = iteration
        self._graph.steps.update(iteration.steps)
        self._graph.nested.update(iteration.nested)
        self._graph.controls.update(iteration.controls)
        self._states.update(dict.fromkeys((*iteration.steps, *iteration.controls), NOT_STARTED))
        self._levels.add(iteration.nested, iteration.steps)
        self._levels.log(control.name, f"iteration {which} starts.")

    def _collect(self, name: str, control: Any, loop: _Iterations) -> None:
        """The outputs of a loop: of do_while those of the last iteration, of parallel_for those of all together."""
        if isinstance(control, DoWhile):
            last = loop.started[max(loop.started, key=int)]
            self._outputs[name] = {
                output: self._path(source) for output, source in last.outputs.items() if self._has(source)
            }
        else:
            record = self._levels.records[name].name
            self._outputs[name] = {
                output: self._gathered(record, output, kind, loop) for output, kind in control.output_types.items()
            }

    def _has(self, source: FromStep) -> bool:
        """Whether a step has written an output; one in a branch that was not taken has not."""
        return source.output in self._outputs.get(source.step, {})

    def _gathered(self, record: str, output: str, kind: str, loop: _Iterations) -> Path:
        sources = {which: each.outputs[output] for which, each in loop.started.items() if output in each.outputs}
        paths = {which: self._path(source) for which, source in sources.items() if self._has(source)}
        made = self._job_paths.output(self._scope, record, output, StepOutput(kind), self._graph.datastore)
        if kind in VALUE_TYPES:
            texts = {which: path.read_text(encoding="utf-8").strip() for which, path in paths.items()}
            numbered = list(texts) == [str(number) for number in range(len(texts))]
            made.write_text(json.dumps(list(texts.values()) if numbered else texts), encoding="utf-8")
        else:
            entries = [
                {"folder" if path.is_dir() else "file": self._job_paths.address(self._scope, path)}
                for path in paths.values()
            ]
            (made / _TABLE_FILE).write_text(yaml.safe_dump({"type": "mltable", "paths": entries}), encoding="utf-8")
        return made

    async def _end(self, name: str, state: State, reason: str | None = None) -> None:
        self._loops.pop(name, None)
        self._states[name] = state
        outputs = self._outputs.get(name, {})
        types = {}
        control = self._graph.controls[name]
        if isinstance(control, Loop):
            types = {output: control.output_types[output] for output in outputs}
        await self._levels.end(name, state, outputs, types, failure(reason) if reason else None)

    def _inside(self, loop: _Iterations, which: str) -> str | None:
        """A node of an iteration that has not ended."""
        states = self._states_of(loop.started[which])
        return next((name for name, state in states.items() if state not in TERMINAL), None)

    def _states_of(self, iteration: Iteration) -> dict[str, State]:
        names = (*iteration.steps, *iteration.controls)
        inner = f"{iteration.name}."
        return {name: state for name, state in self._states.items() if name in names or name.startswith(inner)}

    def _is_halted(self) -> bool:
        return not self._graph.continue_on_step_failure and FAILED in self._states.values()

    def _is_true(self, source: Literal | FromStep, name: str) -> bool:
        text = self._text(source).lower()
        if text not in _TRUE | _FALSE:
            raise BadRequest(
                f"The condition of '{name}' is '{text}', which is neither true nor false.", code="UserError"
            )
        return text in _TRUE

    def _text(self, source: Literal | FromStep) -> str:
        if isinstance(source, Literal):
            return source.text.strip()
        path = self._path(source) if self._has(source) else None
        if path is None or not path.is_file():
            raise BadRequest(f"The step '{source.step}' did not write its output '{source.output}'.", code="UserError")
        return path.read_text(encoding="utf-8").strip()

    def _path(self, source: FromStep) -> Path:
        return self._outputs[source.step][source.output]
