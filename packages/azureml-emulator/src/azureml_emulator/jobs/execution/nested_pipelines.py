"""The nested pipelines of a running job: each has a record, an MLflow run and a log, and follows the steps inside it.

`runner.py` starts the steps of all levels; this file keeps the levels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azureml_emulator.jobs.definitions.states import BYPASSED, CANCELED, FAILED, NOT_STARTED, RUNNING, TERMINAL, State
from azureml_emulator.jobs.definitions.steps import FromStep, Graph, Nested, Step
from azureml_emulator.jobs.graph.scheduling import outcome
from azureml_emulator.jobs.job_paths import PIPELINE_LOG, JobPaths, LogFile
from azureml_emulator.jobs.job_records import JobRecords, failure, failure_message
from azureml_emulator.jobs.tracking.job_runs import Run, begin_run, close_run
from azureml_emulator.jobs.tracking.mlflow_runs import Tracking
from azureml_emulator.kernel.background import run_once
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.resource_id import parse_resource_path
from azureml_emulator.kernel.store import Resource


@dataclass(frozen=True)
class LevelTools:
    """The parts that keeping the levels needs."""

    records: JobRecords
    tracking: Tracking
    job_paths: JobPaths
    clock: Clock


class Levels:
    """The levels of one job: the job itself, named "", and its nested pipelines. `run` is the MLflow run of the job."""

    def __init__(self, tools: LevelTools, job: Resource, graph: Graph, run: Run) -> None:
        self._tools = tools
        self._graph = graph
        self._scope = parse_resource_path(job.id).scope
        self._runs: dict[str, Run] = {"": run}
        self.records: dict[str, Resource] = {"": job}
        self.steps: dict[str, Resource] = {}
        self.add(graph.nested, graph.steps)

    def add(self, nested: Mapping[str, Nested], steps: Mapping[str, Step]) -> None:
        """Create the records of nested pipelines, outer ones first, and of steps."""
        tools = self._tools
        for nodes, records in ((nested, self.records), (steps, self.steps)):
            for name, node in nodes.items():
                parent = self.records[_above(name)]
                records[name] = tools.records.create_step(parent, self._scope, tools.clock.identifier(), node)

    def begin(self, step: str) -> Run:
        """Start the nested pipelines around a step that starts. Returns the MLflow run of the innermost."""
        self._begin(_around(step))
        return self._runs[_above(step)]

    def start(self, name: str) -> None:
        """Start a control node, which is a level of its own, and the nested pipelines around it."""
        self._begin((*_around(name), name))

    def _begin(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._runs:
                self._tools.records.set_state(self.records[name].key, RUNNING)
                tools, record = self._tools, self.records[name]
                begun = begin_run(
                    tools.tracking,
                    tools.records,
                    record,
                    self._graph.nested[name].display_name,
                    record.properties.get("experimentName") or "Default",
                    self._runs[_above(name)],
                )
                self._runs[name] = run_once(begun, f"beginning the MLflow run of {record.name}")

    def log(self, step: str, text: str) -> None:
        """Write a line to the log of the job and to those of the nested pipelines around a step."""
        for name in ("", *_around(step)):
            inside = step.removeprefix(f"{name}.") if name else step
            self.write(name, f"{inside}: {text}")

    def write(self, name: str, text: str) -> None:
        """Write a line to the log of one level."""
        file = self._tools.job_paths.log(self._scope, self.records[name].name, PIPELINE_LOG)
        LogFile(file).stamped(self._tools.clock.now(), text)

    async def follow(self, states: Mapping[str, State]) -> None:
        """End the nested pipelines whose steps have all ended. `states` has every step."""
        for name, nested in reversed(self._graph.nested.items()):
            record = self._tools.records.get(self.records[name].key)
            inside = {step: state for step, state in states.items() if step.startswith(f"{name}.")}
            ended = record.properties["status"] in TERMINAL
            if name in self._graph.controls or ended or not TERMINAL.issuperset(inside.values()):
                continue
            end = CANCELED if inside and set(inside.values()) == {BYPASSED} else outcome(inside)
            self.bind_outputs(name, nested.outputs)
            self._tools.records.set_state(record.key, end, self.failure(inside) if end == FAILED else None)
            self.write(name, f"Pipeline {record.name}: {end}.")
            await self.close(name, end)

    async def end(
        self, name: str, state: State, outputs: Mapping[str, Path], types: Mapping[str, str], error: Any
    ) -> None:
        """End a control node, with its outputs and their types, and the reason of a failure."""
        key, paths = self.records[name].key, self._tools.job_paths
        made = {output: paths.relative(path) for output, path in outputs.items()}
        self._tools.records.set_internal(key, outputs=made, output_types=dict(types))
        self._tools.records.set_state(key, state, error)
        self.log(name, f"{state}{f': {failure_message(self.record(name))}' if error else ''}")
        await self.close(name, state)

    def record(self, name: str) -> Resource:
        """The record of a step or of a control node as it is now."""
        return self._tools.records.get((self.steps.get(name) or self.records[name]).key)

    async def cancel(self) -> None:
        """Mark what has not ended as canceled, after its processes were stopped."""
        for name, record in (*self.steps.items(), *reversed(self.records.items())):
            if name:
                self._tools.records.set_state(record.key, CANCELED)
        for name in reversed(self._graph.nested):
            await self.close(name, CANCELED)

    async def close(self, name: str, end: State) -> None:
        """Close the MLflow run of one level, if it has one."""
        if name in self._runs:
            await close_run(self._tools.tracking, self._runs[name], end)

    def bind_outputs(self, name: str, sources: Mapping[str, FromStep]) -> None:
        """Set the outputs of one level to those of the steps that are bound to them."""
        outputs, types, registered = {}, {}, {}
        for output, source in sources.items():
            step = self.record(source.step)
            if source.output in step.internal["outputs"]:
                outputs[output] = step.internal["outputs"][source.output]
                types[output] = step.internal["output_types"][source.output]
                registered[output] = step.internal.get("registered", {}).get(source.output, {})
        made = {"outputs": outputs, "output_types": types, "registered": registered}
        self._tools.records.set_internal(self.records[name].key, **made)

    def failure(self, states: Mapping[str, State]) -> dict[str, object]:
        """The error of a level, by the states of the steps inside it."""
        failed = [name for name, state in states.items() if state == FAILED]
        # A step of a loop says more than the loop.
        failed.sort(key=lambda name: name not in self.steps)
        first = self.record(failed[0])
        others = f" Other failed steps: {', '.join(failed[1:])}." if failed[1:] else ""
        return failure(f"Step '{failed[0]}' ({first.name}) failed.{others} {failure_message(first)}")


def waiting_inside(name: str, states: Mapping[str, State]) -> list[str]:
    """The steps that have not started: the step `name` itself, or those of the nested pipeline `name`."""
    inside = [step for step in states if step == name or step.startswith(f"{name}.")]
    return [step for step in inside if states[step] == NOT_STARTED]


def _above(name: str) -> str:
    return name.rpartition(".")[0]


def _around(step: str) -> Iterator[str]:
    """The nested pipelines around a step, outer ones first."""
    parts = step.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts)))
