"""Runs one step: inputs, reuse, working folder, MLflow run, process, outputs, log.

`runner.py` decides when; this file knows no graphs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azureml_emulator.jobs.definitions.command_line import plain_arguments, substitute
from azureml_emulator.jobs.definitions.distribution import Member, first_log, members
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
from azureml_emulator.jobs.definitions.steps import VALUE_TYPES, FromStep, Step
from azureml_emulator.jobs.execution.inputs.resolver import Resolver, is_passed_on, values
from azureml_emulator.jobs.execution.inputs.web_inputs import WebInputs
from azureml_emulator.jobs.execution.output_assets import OutputAssets
from azureml_emulator.jobs.execution.parallel_step import ParallelPaths, parallel_variables
from azureml_emulator.jobs.execution.process_group import ProcessGroup, StepFailed, free_ports
from azureml_emulator.jobs.execution.reuse import Reuse
from azureml_emulator.jobs.execution.step_variables import azure_variables, data_variables, tracking_variables
from azureml_emulator.jobs.job_paths import JobPaths, LogFile
from azureml_emulator.jobs.job_records import JobRecords, failure, root_of
from azureml_emulator.jobs.launching.interpreters import Interpreter, Interpreters
from azureml_emulator.jobs.launching.launcher import Launch, Launcher
from azureml_emulator.jobs.launching.rank_networks import RankNetworks
from azureml_emulator.jobs.spark.launch import SparkPaths, spark_command, spark_variables
from azureml_emulator.jobs.tracking.job_runs import Run, begin_run
from azureml_emulator.jobs.tracking.mlflow_runs import TrackedRun, Tracking
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import EmulatorError, disk_full
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.kernel.store import Resource
from azureml_emulator.processes.listeners import Listeners


@dataclass(frozen=True)
class JobContext:
    """What the steps of one job share. The result of `parent_run` is the MLflow run of the job, or None."""

    scope: Scope
    root: str
    experiment: str
    parent_run: Run | None
    reuse: bool
    datastore: str | None


@dataclass(frozen=True)
class StepTools:
    """The parts that running a step needs."""

    records: JobRecords
    job_paths: JobPaths
    resolver: Resolver
    web_inputs: WebInputs
    reuse: Reuse
    assets: OutputAssets
    tracking: Tracking
    launcher: Launcher
    interpreters: Interpreters
    clock: Clock
    variables: dict[str, str]
    location: str
    parallel: int
    listeners: Listeners
    networks: RankNetworks
    open_spark_ports: bool
    spark_engine: str | None


@dataclass(frozen=True)
class _Prepared:
    """A step that is ready to start."""

    command: str
    shown_command: str
    folder: Path
    environment: dict[str, str]
    outputs: dict[str, Path]
    interpreter: Interpreter
    socket: Path | None


class StepRunner:
    """Runs steps, a limited number at a time."""

    def __init__(self, tools: StepTools) -> None:
        self._tools = tools
        self._slots = asyncio.Semaphore(tools.parallel)

    async def run(
        self, record: Resource, step: Step, context: JobContext, earlier: dict[str, dict[str, Path]]
    ) -> State:
        """Run a step. Returns its final state. Cancelling this task cancels the step."""
        records, key = self._tools.records, record.key
        records.set_state(key, QUEUED)
        try:
            async with self._slots:
                await self._run(record, step, context, earlier)
        except StepFailed as error:
            records.set_state(key, FAILED, failure(str(error)))
        except EmulatorError as error:
            records.set_state(key, FAILED, failure(error.message, error.error_code))
        except OSError as error:
            full = disk_full(error, self._tools.job_paths.state)
            why = full.message if full else str(error)
            records.set_state(key, FAILED, failure(f"The step '{step.name}' could not run: {why}", "SystemError"))
        except asyncio.CancelledError:
            records.set_state(key, CANCELED)
            await self._close(record)
            raise
        else:
            records.set_state(key, COMPLETED)
        await self._close(record)
        return records.get(key).properties["status"]

    async def _run(
        self, record: Resource, step: Step, context: JobContext, earlier: dict[str, dict[str, Path]]
    ) -> None:
        tools, scope = self._tools, context.scope
        tools.records.set_state(record.key, PREPARING)
        if step.not_run is not None:
            raise StepFailed(step.not_run)
        code = tools.resolver.code(step, scope)
        environment = tools.resolver.environment(step, scope)
        tools.records.set_internal(record.key, environment=environment)
        python = tools.interpreters.of(environment)
        log = LogFile(tools.job_paths.log(scope, record.name, first_log(step.distribution)))
        await tools.web_inputs.fetch(step, scope, log.write)
        paths = tools.resolver.paths(step, scope, earlier)
        fingerprint = None
        if step.deterministic:
            fingerprint = await tools.reuse.fingerprint(step, code, environment, paths, python.identity)
            if context.reuse and await self._reused(record, step, scope, fingerprint):
                return
        tracked = await begin_run(
            tools.tracking, tools.records, record, step.display_name, context.experiment, context.parent_run
        )
        copies = tools.job_paths.tables(record.name)
        paths = await tools.web_inputs.with_tables(step, scope, paths, copies, log.write)
        prepared = await self._prepare(record, step, context, code, paths, tracked, python)
        launches = self._launches(record, step, scope, prepared)
        await self._write_log_headers(record, step, environment, prepared, launches)
        try:
            await self._execute(record, step, launches)
        finally:
            if prepared.socket is not None:
                prepared.socket.unlink(missing_ok=True)
        tools.records.set_state(record.key, FINALIZING)
        await tools.assets.register(record.key, step, scope)
        finished = tools.records.get(record.key)
        if fingerprint is not None:
            await tools.reuse.remember(scope, fingerprint, finished)
        await asyncio.to_thread(tools.job_paths.clear, record.name)

    async def _reused(self, record: Resource, step: Step, scope: Scope, fingerprint: str) -> bool:
        tools = self._tools
        before = await tools.reuse.find(scope, fingerprint)
        if before is None:
            return False
        kept = {name: before.internal[name] for name in ("outputs", "output_types")}
        tools.records.set_internal(
            record.key,
            **kept,
            run=before.internal.get("run"),
            page=before.internal.get("page"),
            reused=before.name,
        )
        tools.records.add_properties(record.key, azureml_isreused="true", azureml_reusedrunid=before.name)
        tools.records.set_state(record.key, RUNNING)
        await tools.assets.register(record.key, step, scope, before.internal.get("registered"))
        return True

    async def _prepare(
        self,
        record: Resource,
        step: Step,
        context: JobContext,
        code: Path | None,
        paths: dict[str, Path],
        tracked: TrackedRun | None,
        python: Interpreter,
    ) -> _Prepared:
        tools, scope = self._tools, context.scope
        outputs = self._create_outputs(record, step, context)
        folder = await asyncio.to_thread(tools.job_paths.prepare, scope, record.name, code)
        # Of other steps' outputs only: any other data has an address, and may be in a registry.
        made = [name for name, each in step.inputs.items() if isinstance(each.source, FromStep)]
        made = [name for name in made if is_passed_on(step, name)]
        addresses = {name: tools.job_paths.address(scope, paths[name]) for name in made}
        addresses |= tools.resolver.passed_on(step, scope)
        given = values(step, paths, addresses)
        given_outputs = {name: str(path) for name, path in outputs.items()}
        data = frozenset(name for name in {*paths, *addresses} if step.inputs[name].type not in VALUE_TYPES)
        command = substitute(step.command, given, given_outputs, data)
        socket, shown = None, command
        if step.spark is None:
            _refuse_missing_script(step, command, folder)
        else:
            socket = tools.listeners.socket_path("spark")
            place = SparkPaths(tools.job_paths.plan(record.name, "spark"), folder, python.path, socket)
            chosen = {"open_port": tools.open_spark_ports, "engine": tools.spark_engine}
            command = await asyncio.to_thread(spark_command, step.spark, command, place, **chosen)
        token = tools.tracking.token(tracked.run) if tracked else ""
        environment = {
            **python.variables(tools.variables),
            **azure_variables(
                scope,
                job=record.name,
                root=context.root,
                experiment=context.experiment,
                location=tools.location,
                folder=folder,
            ),
            **data_variables(given, given_outputs, is_trial=step.is_trial),
            **(tracking_variables(tracked.address, tracked.run, token, context.experiment) if tracked else {}),
            **self._parallel(record, step, scope, paths, outputs, python),
            **step.environment_variables,
        }
        if step.spark is not None:
            environment |= spark_variables(step.spark, folder, environment)
        return _Prepared(command, shown, folder, environment, outputs, python, socket)

    def _create_outputs(self, record: Resource, step: Step, context: JobContext) -> dict[str, Path]:
        """The paths of the step's outputs, recorded before it runs."""
        paths = self._tools.job_paths
        outputs = {
            name: paths.output(context.scope, record.name, name, output, context.datastore, is_made=step.spark is None)
            for name, output in step.outputs.items()
        }
        self._tools.records.set_internal(
            record.key,
            outputs={name: paths.relative(path) for name, path in outputs.items()},
            output_types={name: output.type for name, output in step.outputs.items()},
        )
        return outputs

    def _parallel(
        self,
        record: Resource,
        step: Step,
        scope: Scope,
        paths: dict[str, Path],
        outputs: dict[str, Path],
        python: Interpreter,
    ) -> dict[str, str]:
        """Write the plan of a parallel step. Returns its variables; none for other steps."""
        if step.parallel is None:
            return {}
        kinds = {name: output.type for name, output in step.outputs.items()}
        file = self._tools.job_paths.plan(record.name, "parallel")
        model = self._tools.resolver.model(step, scope)
        files = ParallelPaths(file, paths, outputs, kinds, model, python.path)
        return parallel_variables(step.parallel, files)

    def _launches(self, record: Resource, step: Step, scope: Scope, prepared: _Prepared) -> list[tuple[Member, Launch]]:
        """What to start for each member of the step's distribution; for most steps there is one."""
        # The driver of a parallel step is the emulator's; it starts its workers in the step's interpreter.
        own = prepared.interpreter.is_own or step.parallel is not None
        # The driver of a Spark step runs in its interpreter, and is not forked: its libraries start threads.
        own = own and step.spark is None
        interpreter = None if own else prepared.interpreter.path
        ports = free_ports(step.distribution.ports) if step.distribution else []
        found = members(step.distribution, ports)
        return [
            (
                member,
                Launch(
                    f"{record.name}/{member.name}" if member.name else record.name,
                    prepared.command,
                    prepared.folder,
                    {**prepared.environment, **member.variables},
                    self._tools.job_paths.log(scope, record.name, member.log),
                    interpreter,
                ),
            )
            for member in found
        ]

    async def _write_log_headers(
        self,
        record: Resource,
        step: Step,
        environment: dict[str, Any],
        prepared: _Prepared,
        launches: list[tuple[Member, Launch]],
    ) -> None:
        how = await self._tools.launcher.describe(launches[0][1])
        for member, launch in launches:
            log = LogFile(launch.log)
            which = f", {member.name} of {len(launches)} processes" if member.name else ""
            log.write(f"# Step '{step.name}' of job {root_of(record)}, run {record.name}{which}.")
            log.write(f"# Environment: {_described(environment)}.")
            log.write(f"# {prepared.interpreter.reason}")
            log.write(f"# {prepared.interpreter.path} (Python {prepared.interpreter.version}), started {how}.")
            if step.distribution is not None:
                log.write(f"# {await self._tools.networks.describe()}")
            for name, path in prepared.outputs.items():
                log.write(f"# Output '{name}': {path}")
            log.write(f"$ {prepared.shown_command}")

    async def _execute(self, record: Resource, step: Step, launches: list[tuple[Member, Launch]]) -> None:
        network = None
        if step.distribution is not None:
            network = await self._tools.networks.network(record.name, free_ports(1)[0])
        group = ProcessGroup(self._tools.launcher, launches, network)
        await group.start()
        self._tools.records.set_state(record.key, RUNNING)
        await group.run(step)

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
        return "none"
    base = environment.get("image") or ("a build context" if environment.get("build") else "one of Azure's images")
    with_conda = " with conda packages" if environment.get("condaFile") else ""
    version = environment.get("version")
    return f"{environment['name']}{f':{version}' if version else ''} ({base}{with_conda})"
