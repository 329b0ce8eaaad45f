"""Runs jobs: one task per job, which asks `graph/scheduling.py` for the next steps whenever a step ends.

Also cancels jobs, stops them with the emulator, and fails interrupted ones. A single step is run by `step_runner.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from azureml_emulator.jobs.definitions.states import (
    BYPASSED,
    CANCEL_REQUESTED,
    CANCELED,
    FAILED,
    NOT_STARTED,
    PREPARING,
    RUNNING,
    State,
)
from azureml_emulator.jobs.definitions.steps import Graph, Step
from azureml_emulator.jobs.execution.control_flow import ControlFlow
from azureml_emulator.jobs.execution.nested_pipelines import Levels, LevelTools, waiting_inside
from azureml_emulator.jobs.execution.step_runner import JobContext, StepRunner
from azureml_emulator.jobs.execution.sweep_runner import SweepRunner, resumes
from azureml_emulator.jobs.graph.scheduling import NextSteps, decide
from azureml_emulator.jobs.job_paths import JobPaths
from azureml_emulator.jobs.job_records import (
    EXTERNAL,
    PIPELINE,
    JobRecords,
    failure,
    failure_message,
    job_path,
    root_of,
)
from azureml_emulator.jobs.tracking.job_runs import Run, begin_run
from azureml_emulator.jobs.tracking.mlflow_runs import TrackedRun, Tracking
from azureml_emulator.kernel.background import run_once
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.resource_id import Scope, parse_resource_path
from azureml_emulator.kernel.store import Resource

_INTERRUPTED = "The emulator stopped while this job was running. Submit it again."
_INTERRUPTED_CODE = "Interrupted"


@dataclass
class _Progress:
    """The progress of one running pipeline."""

    levels: Levels
    flow: ControlFlow
    states: dict[str, State]
    outputs: dict[str, dict[str, Path]]
    tasks: dict[asyncio.Task[State], str] = field(default_factory=dict)
    stopped: bool = False


class Runner:
    """The running jobs."""

    def __init__(
        self,
        records: JobRecords,
        steps: StepRunner,
        sweeps: SweepRunner,
        tracking: Tracking,
        job_paths: JobPaths,
        clock: Clock,
        parallel: int,
    ) -> None:
        self._records = records
        self._steps = steps
        self._sweeps = sweeps
        self._tracking = tracking
        self._job_paths = job_paths
        self._clock = clock
        self._parallel = parallel
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._progress: dict[str, _Progress] = {}
        self._stopping = False

    def start(self, job: Resource, graph: Graph) -> None:
        """Run a job in the background."""
        self._keep(job, run_once(self._run(job, graph), f"the job {job.name}"))

    def _keep(self, job: Resource, task: asyncio.Task[None]) -> None:
        self._tasks[job.key] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.key, None))

    async def cancel(self, job: Resource) -> None:
        """Cancel a job, a step or a nested pipeline, without waiting for its end. No effect on one that has ended.

        The program of a run outside of a job goes on, since only its author can stop it.
        """
        if EXTERNAL in job.internal:
            self._records.set_state(job.key, CANCELED)
            end = self._tracking.end_when_ready({job.internal["run"]: CANCELED})
            self._keep(job, run_once(end, f"ending the MLflow run of {job.name}"))
            return
        self._records.set_state(job.key, CANCEL_REQUESTED)
        for task in self._tasks_of(job):
            _cancel(task)
        progress = self._progress.get(_root_key(job))
        if progress is not None and "step" in job.internal:
            for name in waiting_inside(job.internal["step"], progress.states):
                self._skip(progress, name)

    async def ended(self, job: Resource) -> None:
        """Wait until a running job, step or nested pipeline has ended."""
        tasks = self._tasks_of(job)
        if tasks:
            await asyncio.wait(tasks)

    def _tasks_of(self, job: Resource) -> list[asyncio.Task[Any]]:
        """The task of a job, or those of the steps that a nested pipeline has inside."""
        own, progress = self._tasks.get(job.key), self._progress.get(_root_key(job))
        if own is not None or progress is None:
            return [own] if own is not None else []
        name = job.internal.get("step", "")
        return [task for task, step in progress.tasks.items() if step == name or step.startswith(f"{name}.")]

    async def stop(self) -> None:
        """Stop all jobs, at the end of the emulator."""
        self._stopping = self._sweeps.stopping = True
        running = list(self._tasks.values())
        for task in running:
            _cancel(task)
        await asyncio.gather(*running, return_exceptions=True)

    def fail_interrupted(self) -> dict[str, State]:
        """At start: mark jobs that the end of the last process interrupted as failed, with the reason.

        Sweeps stay as they are, to be started again; their trials are canceled.
        Returns the MLflow runs that are still open, with the states in which to close them.
        """
        open_runs: dict[str, State] = {}
        for job in self._records.unfinished():
            if job.properties["status"] != CANCEL_REQUESTED and resumes(job):
                continue
            canceled = job.properties["status"] == CANCEL_REQUESTED
            waiting = "parent" in job.internal and ("started" not in job.internal or "parameters" in job.internal)
            if canceled or waiting:
                ended = self._records.set_state(job.key, CANCELED)
            else:
                ended = self._records.set_state(job.key, FAILED, failure(_INTERRUPTED, _INTERRUPTED_CODE))
            if "run" in ended.internal and "reused" not in ended.internal:
                open_runs[ended.internal["run"]] = ended.properties["status"]
        return open_runs

    async def _run(self, job: Resource, graph: Graph) -> None:
        try:
            if job.properties["jobType"] == PIPELINE:
                await self._run_pipeline(job, graph)
            else:
                await self._run_single(job, graph)
        except asyncio.CancelledError:
            if self._stopping and resumes(job):
                return
            if self._stopping:
                self._records.set_state(job.key, FAILED, failure(_INTERRUPTED, _INTERRUPTED_CODE))
            else:
                self._records.set_state(job.key, CANCELED)
        except Exception as error:
            # A bug of the emulator must end the job rather than leave it running forever. It is raised again.
            message = f"The emulator failed: {type(error).__name__}: {error}"
            self._records.set_state(job.key, FAILED, failure(message, "InternalServerError"))
            raise

    async def _run_single(self, job: Resource, graph: Graph) -> None:
        (step,) = graph.steps.values()
        context = self._context(job, graph, parent_run=None)
        await self._step(job, step, context, {})

    async def _run_pipeline(self, job: Resource, graph: Graph) -> None:
        self._records.set_state(job.key, PREPARING)
        root = run_once(self._begin_run(job), f"beginning the MLflow run of {job.name}")
        levels = Levels(LevelTools(self._records, self._tracking, self._job_paths, self._clock), job, graph, root)
        states: dict[str, State] = dict.fromkeys((*graph.steps, *graph.controls), NOT_STARTED)
        outputs: dict[str, dict[str, Path]] = {}
        flow = ControlFlow(graph, levels, self._job_paths, _scope(job), states, outputs)
        progress = _Progress(levels, flow, states, outputs)
        self._progress[job.key] = progress
        levels.write("", f"Pipeline {job.name}: {len(graph.steps)} steps, {', '.join(graph.steps)}.")
        self._records.set_state(job.key, RUNNING)
        try:
            end = await self._advance(graph, self._context(job, graph, root), progress)
        except asyncio.CancelledError:
            await self._cancel_steps(progress)
            levels.write("", "Pipeline canceled.")
            await levels.close("", CANCELED)
            raise
        except Exception:
            # A bug of the emulator: no step may go on without its pipeline.
            await self._cancel_steps(progress)
            raise
        finally:
            del self._progress[job.key]
        levels.bind_outputs("", graph.outputs)
        levels.write("", f"Pipeline {job.name}: {end}.")
        await levels.close("", end)
        self._records.set_state(job.key, end, levels.failure(progress.states) if end == FAILED else None)

    async def _advance(self, graph: Graph, context: JobContext, progress: _Progress) -> State:
        levels = progress.levels
        while True:
            plan = decide(graph, progress.states, self._parallel, progress.flow.taken)
            self._leave_out(plan, progress)
            for name in plan.start:
                if name in graph.controls:
                    await progress.flow.start(name)
                    continue
                progress.states[name] = RUNNING
                within = replace(context, parent_run=levels.begin(name))
                step = self._step(levels.steps[name], graph.steps[name], within, progress.outputs)
                progress.tasks[run_once(step, f"the step {levels.steps[name].name}")] = name
                levels.log(name, f"started as {levels.steps[name].name}.")
            if plan.stop and not progress.stopped:
                progress.stopped = True
                for task in progress.tasks:
                    _cancel(task)
            changed = await progress.flow.follow() or any(name in graph.controls for name in plan.start)
            await levels.follow(progress.states)
            if plan.end is not None:
                return plan.end
            if progress.tasks and not changed and not plan.bypass:
                done, _ = await asyncio.wait(progress.tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._finish(task, progress)

    async def _step(
        self, record: Resource, step: Step, context: JobContext, earlier: dict[str, dict[str, Path]]
    ) -> State:
        if step.sweep is None:
            return await self._steps.run(record, step, context, earlier)
        return await self._sweeps.run(record, step, step.sweep, context, earlier)

    def _leave_out(self, plan: NextSteps, progress: _Progress) -> None:
        for name in plan.skip:
            self._skip(progress, name)
            progress.levels.log(name, "not run, because a step that it needs did not complete.")
        for name in plan.bypass:
            self._skip(progress, name, BYPASSED)
            progress.levels.log(name, "not run, because another branch is taken.")

    def _skip(self, progress: _Progress, name: str, state: State = CANCELED) -> None:
        progress.states[name] = state
        self._records.set_state(progress.levels.record(name).key, CANCELED)

    def _finish(self, task: asyncio.Task[State], progress: _Progress) -> None:
        name = progress.tasks.pop(task)
        state = CANCELED if task.cancelled() else task.result()
        record = self._records.get(progress.levels.steps[name].key)
        progress.states[name] = state
        progress.outputs[name] = {
            output: self._job_paths.absolute(relative) for output, relative in record.internal["outputs"].items()
        }
        reused = record.internal.get("reused")
        note = f" (reused from {reused})" if reused else ""
        reason = f": {failure_message(record).splitlines()[0]}" if state == FAILED else ""
        progress.levels.log(name, f"{state}{note}{reason}")

    async def _cancel_steps(self, progress: _Progress) -> None:
        for task in progress.tasks:
            _cancel(task)
        await asyncio.gather(*progress.tasks, return_exceptions=True)
        await progress.levels.cancel()

    def _context(self, job: Resource, graph: Graph, parent_run: Run | None) -> JobContext:
        return JobContext(
            scope=_scope(job),
            root=job.name,
            experiment=job.properties.get("experimentName") or "Default",
            parent_run=parent_run,
            reuse=not graph.force_rerun,
            datastore=graph.datastore,
        )

    async def _begin_run(self, job: Resource) -> TrackedRun | None:
        properties = job.properties
        experiment = properties.get("experimentName") or "Default"
        name = properties.get("displayName") or job.name
        return await begin_run(self._tracking, self._records, job, name, experiment, None)


def _cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task once: a second time would interrupt it while it stops what it started."""
    if not task.cancelling():
        task.cancel()


def _scope(job: Resource) -> Scope:
    return parse_resource_path(job.id).scope


def _root_key(job: Resource) -> str:
    return job_path(_scope(job), root_of(job)).key
