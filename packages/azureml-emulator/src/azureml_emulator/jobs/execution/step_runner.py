"""Runs one step to its end: inputs, reuse, working folder, MLflow run, process, outputs, and what its log says.

`runner.py` decides when; this file knows nothing of graphs.
"""

from __future__ import annotations

import asyncio
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azureml_emulator.jobs.definitions.command_line import plain_arguments, substitute
from azureml_emulator.jobs.definitions.states import (
    CANCELED,
    COMPLETED,
    FAILED,
    FINALIZING,
    PREPARING,
    QUEUED,
    RUNNING,
    State,
)
from azureml_emulator.jobs.definitions.steps import FromStep, Step
from azureml_emulator.jobs.execution.parallel_step import RunPlaces, parallel_variables
from azureml_emulator.jobs.execution.resolver import Resolver, values
from azureml_emulator.jobs.execution.reuse import Reuse
from azureml_emulator.jobs.execution.step_variables import azure_variables, data_variables, tracking_variables
from azureml_emulator.jobs.job_paths import STEP_LOG, LogFile, Places
from azureml_emulator.jobs.job_records import JobRecords, failure
from azureml_emulator.jobs.launching.launcher import Launch, Launcher, StepProcess
from azureml_emulator.jobs.tracking.mlflow_runs import TrackedRun, Tracking
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import EmulatorError
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.kernel.store import Resource

_LOG_LINES_IN_ERROR = 20


class StepFailed(Exception):
    """A step cannot start or did not succeed; the message is for its author."""


@dataclass(frozen=True)
class JobContext:
    """What all the steps of one job share. `parent_run` comes to the MLflow run of the job, or to None."""

    scope: Scope
    root: str
    experiment: str
    parent_run: asyncio.Task[TrackedRun | None] | None
    reuse: bool
    datastore: str | None


@dataclass(frozen=True)
class StepTools:
    """The parts that running a step takes."""

    records: JobRecords
    places: Places
    resolver: Resolver
    reuse: Reuse
    tracking: Tracking
    launcher: Launcher
    clock: Clock
    variables: dict[str, str]
    location: str
    parallel: int


@dataclass(frozen=True)
class _Prepared:
    """A step on the eve of its start."""

    command: str
    folder: Path
    environment: dict[str, str]
    outputs: dict[str, Path]


class StepRunner:
    """Runs steps, a limited number of processes at a time."""

    def __init__(self, tools: StepTools) -> None:
        self._tools = tools
        self._slots = asyncio.Semaphore(tools.parallel)

    async def run(
        self, record: Resource, step: Step, context: JobContext, earlier: dict[str, dict[str, Path]]
    ) -> State:
        """Run a step; its final state, which its record has too. Cancelling this task cancels the step."""
        records, key = self._tools.records, record.key
        records.move(key, QUEUED)
        try:
            async with self._slots:
                await self._run(record, step, context, earlier)
        except StepFailed as error:
            records.move(key, FAILED, failure(str(error)))
        except EmulatorError as error:
            records.move(key, FAILED, failure(error.message, error.error_code))
        except OSError as error:
            records.move(key, FAILED, failure(f"The step '{step.name}' could not be run: {error}", "SystemError"))
        except asyncio.CancelledError:
            records.move(key, CANCELED)
            await self._close(record)
            raise
        else:
            records.move(key, COMPLETED)
        await self._close(record)
        return records.get(key).properties["status"]

    async def _run(
        self, record: Resource, step: Step, context: JobContext, earlier: dict[str, dict[str, Path]]
    ) -> None:
        tools, scope = self._tools, context.scope
        tools.records.move(record.key, PREPARING)
        code = tools.resolver.code(step, scope)
        environment = tools.resolver.environment(step, scope)
        tools.records.note(record.key, environment=environment)
        paths = tools.resolver.paths(step, scope, earlier)
        fingerprint = None
        if step.deterministic:
            fingerprint = await tools.reuse.fingerprint(step, code, environment, paths)
            if context.reuse and await self._reused(record, scope, fingerprint):
                return
        tracked = await self._begin_run(record, step, context)
        prepared = await self._prepare(record, step, context, code, paths, tracked)
        self._introduce(record, step, environment, prepared, scope)
        await self._execute(record, step, scope, prepared)
        tools.records.move(record.key, FINALIZING)
        finished = tools.records.get(record.key)
        if fingerprint is not None:
            await tools.reuse.remember(scope, fingerprint, finished)
        await asyncio.to_thread(tools.places.clear, record.name)

    async def _reused(self, record: Resource, scope: Scope, fingerprint: str) -> bool:
        tools = self._tools
        before = await tools.reuse.find(scope, fingerprint)
        if before is None:
            return False
        kept = {name: before.internal[name] for name in ("outputs", "output_types")}
        tools.records.note(
            record.key,
            **kept,
            run=before.internal.get("run"),
            page=before.internal.get("page"),
            reused=before.name,
        )
        tools.records.note_properties(record.key, azureml_isreused="true", azureml_reusedrunid=before.name)
        tools.records.move(record.key, RUNNING)
        return True

    async def _begin_run(self, record: Resource, step: Step, context: JobContext) -> TrackedRun | None:
        if context.parent_run is None:
            tracked = await self._tools.tracking.begin(context.experiment, step.display_name, record.name, None)
        else:
            parent = await asyncio.shield(context.parent_run)
            tracked = await self._tools.tracking.begin(
                context.experiment, step.display_name, record.name, parent.run if parent else None
            )
        if tracked is not None:
            self._tools.records.note_run(record.key, tracked.run, tracked.page)
        return tracked

    async def _prepare(
        self,
        record: Resource,
        step: Step,
        context: JobContext,
        code: Path | None,
        paths: dict[str, Path],
        tracked: TrackedRun | None,
    ) -> _Prepared:
        tools, scope = self._tools, context.scope
        outputs = {
            name: tools.places.output(scope, record.name, name, output, context.datastore)
            for name, output in step.outputs.items()
        }
        tools.records.note(
            record.key,
            outputs={name: tools.places.relative(place) for name, place in outputs.items()},
            output_types={name: output.type for name, output in step.outputs.items()},
        )
        folder = await asyncio.to_thread(tools.places.prepare, scope, record.name, code)
        # Of outputs of other steps only: what else there is has an address, and may lie in a registry.
        made = [name for name, wanted in step.inputs.items() if isinstance(wanted.source, FromStep)]
        addresses = {name: tools.places.address(scope, paths[name]) for name in made}
        given = values(step, paths, addresses)
        given_outputs = {name: str(place) for name, place in outputs.items()}
        command = substitute(step.command, given, given_outputs, frozenset(paths))
        _refuse_missing_script(step, command, folder)
        environment = {
            **tools.variables,
            **azure_variables(
                scope,
                job=record.name,
                root=context.root,
                experiment=context.experiment,
                location=tools.location,
                folder=folder,
            ),
            **data_variables(given, given_outputs),
            **(tracking_variables(tracked.address, tracked.run, context.experiment) if tracked else {}),
            **self._parallel(record, step, scope, paths, outputs),
            **step.environment_variables,
        }
        return _Prepared(command, folder, environment, outputs)

    def _parallel(
        self, record: Resource, step: Step, scope: Scope, paths: dict[str, Path], outputs: dict[str, Path]
    ) -> dict[str, str]:
        """The variables of a parallel step, its plan written; none for other steps."""
        if step.parallel is None:
            return {}
        kinds = {name: output.type for name, output in step.outputs.items()}
        file = self._tools.places.plan(record.name)
        place = RunPlaces(file, paths, outputs, kinds, self._tools.resolver.model(step, scope))
        return parallel_variables(step.parallel, place)

    def _introduce(
        self, record: Resource, step: Step, environment: dict[str, Any], prepared: _Prepared, scope: Scope
    ) -> None:
        log = LogFile(self._tools.places.log(scope, record.name, STEP_LOG))
        log.write(f"# Step '{step.name}' of the job {record.internal.get('parent', record.name)}, as {record.name}.")
        log.write(f"# Environment: {_described(environment)}.")
        log.write("# It is resolved and recorded; what runs is the interpreter that started the emulator:")
        how = self._tools.launcher.describe(prepared.command)
        log.write(f"# {sys.executable} (Python {platform.python_version()}), as {how}.")
        for name, place in prepared.outputs.items():
            log.write(f"# Output '{name}': {place}")
        log.write(f"$ {prepared.command}")

    async def _execute(self, record: Resource, step: Step, scope: Scope, prepared: _Prepared) -> None:
        log = self._tools.places.log(scope, record.name, STEP_LOG)
        launch = Launch(record.name, prepared.command, prepared.folder, prepared.environment, log)
        process = await self._tools.launcher.start(launch)
        self._tools.records.move(record.key, RUNNING)
        code = await self._wait(process, step)
        if code != 0:
            tail = LogFile(log).tail(_LOG_LINES_IN_ERROR)
            raise StepFailed(f"The step '{step.name}' {_ending(code)}. The last lines of its log:\n{tail}")

    async def _wait(self, process: StepProcess, step: Step) -> int:
        try:
            async with asyncio.timeout(step.timeout):
                return await process.wait()
        except TimeoutError as error:
            await process.stop()
            message = f"The step '{step.name}' ran longer than its limit of {step.timeout:g} s and was ended."
            raise StepFailed(message) from error
        except asyncio.CancelledError:
            await process.stop()
            raise

    async def _close(self, record: Resource) -> None:
        ended = self._tools.records.get(record.key)
        run = ended.internal.get("run")
        if run and "reused" not in ended.internal:
            await self._tools.tracking.end(run, ended.properties["status"])


def _refuse_missing_script(step: Step, command: str, folder: Path) -> None:
    words = plain_arguments(command)
    if words is None or words[1] == "-m" or (folder / words[1]).is_file():
        return
    there = ", ".join(sorted(path.name for path in folder.iterdir() if path.suffix == ".py")) or "no Python file"
    raise StepFailed(
        f"The step '{step.name}' runs '{words[1]}', which is not in its code folder (there is: {there}). "
        "Correct the command, or add the file to the component's code."
    )


def _described(environment: dict[str, Any]) -> str:
    if not environment:
        return "none is named"
    made_of = environment.get("image") or ("a build context" if environment.get("build") else "an image of Azure's own")
    with_conda = " with conda packages" if environment.get("condaFile") else ""
    version = environment.get("version")
    return f"{environment['name']}{f':{version}' if version else ''} ({made_of}{with_conda})"


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by signal {-code}"
    return f"exited with code {code}"
