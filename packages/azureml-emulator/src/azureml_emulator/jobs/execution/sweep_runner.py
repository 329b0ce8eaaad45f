"""Runs sweeps: starts trials, stops those that a policy or a limit ends, and keeps the best one's outputs.

What is sampled, stopped and best is decided in the folder `sweeps`; a trial is run as any other step. Everything that
a sweep needs to go on after the emulator was stopped or killed is in the records of its trials.
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from azureml_emulator.jobs.automl.search import search_of
from azureml_emulator.jobs.definitions.states import (
    CANCEL_REQUESTED,
    CANCELED,
    COMPLETED,
    FAILED,
    NOT_STARTED,
    RUNNING,
    State,
)
from azureml_emulator.jobs.definitions.steps import Step
from azureml_emulator.jobs.definitions.sweep import SweepSettings
from azureml_emulator.jobs.execution.step_runner import JobContext, StepRunner, StepTools
from azureml_emulator.jobs.execution.trial_steps import Earlier, check_parameters, trial_step
from azureml_emulator.jobs.job_paths import LogFile
from azureml_emulator.jobs.job_records import failure, failure_message
from azureml_emulator.jobs.sweeps.early_termination import newest_interval, to_stop
from azureml_emulator.jobs.sweeps.search import Search
from azureml_emulator.jobs.sweeps.trials import Trial, best_trial
from azureml_emulator.jobs.tracking.job_runs import Run, begin_run, close_run
from azureml_emulator.jobs.tracking.mlflow_runs import TrackedRun
from azureml_emulator.kernel.background import run_once
from azureml_emulator.kernel.errors import EmulatorError
from azureml_emulator.kernel.store import Resource

_POLL_SECONDS = 0.5
# Why a trial was canceled, in its record: these two keep its score, "user" does not.
_BY_POLICY, _BY_LIMIT, _BY_USER = "policy", "limit", "user"


@dataclass
class _Sweep:
    """One running sweep. `judged` has the interval up to which the policy has judged each trial."""

    record: Resource
    step: Step
    settings: SweepSettings
    search: Search
    context: JobContext
    earlier: Earlier
    log: LogFile
    trials: dict[str, Trial] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    tasks: dict[asyncio.Task[State], str] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    judged: dict[str, int] = field(default_factory=dict)
    interrupted: list[str] = field(default_factory=list)
    exhausted: bool = False


class SweepRunner:
    """Runs sweeps and AutoML tasks. `stopping` is set when the emulator stops, for jobs of their own to be kept."""

    def __init__(self, tools: StepTools, steps: StepRunner) -> None:
        self._tools = tools
        self._steps = steps
        self.stopping = False

    async def run(
        self, record: Resource, step: Step, settings: SweepSettings, context: JobContext, earlier: Earlier
    ) -> State:
        """Run a sweep, or go on with an interrupted one. Returns its final state. Cancelling cancels its trials."""
        tools, key = self._tools, record.key
        begun = run_once(self._begin_run(record, step, context), f"beginning the MLflow run of {record.name}")
        below = replace(context, parent_run=begun)
        search = search_of(settings, lambda name: tools.job_paths.artifacts(context.scope, name))
        log = LogFile(tools.job_paths.log(context.scope, record.name, search.log))
        sweep = _Sweep(record, step, settings, search, below, earlier, log)
        try:
            if obstacle := search.obstacle():
                self._write(sweep, obstacle)
                tools.records.set_state(key, FAILED, failure(obstacle))
            else:
                await self._open(sweep)
                await self._finish(sweep, await self._advance(sweep))
        except asyncio.CancelledError:
            await self._cancel_trials(sweep)
            self._write(sweep, "Stopped with the emulator." if self.stopping else "Canceled.")
            if not (self.stopping and resumes(record)):
                tools.records.set_state(key, CANCELED)
                await self._close(record, begun)
            raise
        except Exception:
            # A bug of the emulator: no trial may go on without its sweep.
            await self._cancel_trials(sweep)
            raise
        await self._close(record, begun)
        return tools.records.get(key).properties["status"]

    async def _begin_run(self, record: Resource, step: Step, context: JobContext) -> TrackedRun | None:
        """The sweep's MLflow run, which an interrupted sweep has already."""
        known = record.internal
        if "run" in known:
            return TrackedRun(known["run"], "", known["page"])
        tools, name = self._tools, step.display_name
        return await begin_run(tools.tracking, tools.records, record, name, context.experiment, context.parent_run)

    async def _open(self, sweep: _Sweep) -> None:
        """Start the sweep's own record, and take up the trials that it has already."""
        records, settings = self._tools.records, sweep.settings
        records.set_state(sweep.record.key, RUNNING)
        properties = await asyncio.to_thread(sweep.search.run_properties)
        records.merge(sweep.record.key, properties=properties, tags=sweep.search.tags(sweep.trials, ended=False))
        self._write(sweep, f"{sweep.search.title()}, at most {settings.max_trials} trials.")
        for found in sorted(records.children(sweep.record), key=_number):
            trial = Trial(found.name, found.internal["parameters"], found.properties["status"])
            sweep.keys[trial.name] = found.key
            if found.properties["status"] == CANCELED and "stopped_by" not in found.internal:
                await asyncio.to_thread(
                    self._tools.job_paths.discard, trial.name, list(found.internal["outputs"].values())
                )
                records.restart_trial(found.key)
                sweep.interrupted.append(trial.name)
                sweep.trials[trial.name] = replace(trial, state=NOT_STARTED)
            else:
                sweep.trials[trial.name] = trial
                await self._observe(sweep, trial.name)
        if sweep.trials:
            again = f", of which {len(sweep.interrupted)} start again" if sweep.interrupted else ""
            self._write(sweep, f"Resumed: {len(sweep.trials)} trials exist{again}.")

    async def _advance(self, sweep: _Sweep) -> State | None:
        """Run trials until there are no more. Returns CANCELED for a sweep that exceeded its timeout."""
        while True:
            if sweep.settings.timeout is not None and self._elapsed(sweep) > sweep.settings.timeout:
                self._write(sweep, f"The timeout of {sweep.settings.timeout:g} s is over: canceling all trials.")
                self._mark(sweep, list(sweep.tasks.values()), _BY_LIMIT)
                await self._cancel_trials(sweep)
                return CANCELED
            await self._start_trials(sweep)
            if not sweep.tasks:
                return None
            done, _ = await asyncio.wait(sweep.tasks, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await self._end_trial(sweep, task)
            await self._stop_trials(sweep)

    async def _start_trials(self, sweep: _Sweep) -> None:
        limit = min(sweep.settings.max_concurrent, self._tools.parallel)
        while len(sweep.tasks) < limit:
            if sweep.interrupted:
                self._start(sweep, sweep.interrupted.pop(0))
                continue
            if sweep.exhausted or len(sweep.trials) >= sweep.settings.max_trials:
                return
            seed = zlib.crc32(sweep.record.name.encode())
            trials = list(sweep.trials.values())
            parameters = await asyncio.to_thread(sweep.search.next, seed, trials)
            if parameters is None:
                sweep.exhausted = True
                self._write(sweep, f"No further trial: {sweep.search.no_more(trials)}.")
                return
            self._create(sweep, parameters)

    def _create(self, sweep: _Sweep, parameters: dict[str, Any]) -> None:
        records, name = self._tools.records, f"{sweep.record.name}_{len(sweep.trials)}"
        sweep.trials[name] = Trial(name, parameters, NOT_STARTED)
        step = trial_step(sweep.step, sweep.settings, name, parameters)
        shown = sweep.search.trial(step, parameters)
        trial = records.create_trial(sweep.record, sweep.context.scope, name, step, parameters, shown)
        sweep.keys[name] = trial.key
        records.merge(sweep.record.key, properties={}, tags=sweep.search.tags(sweep.trials, ended=False))
        self._start(sweep, name)

    def _start(self, sweep: _Sweep, name: str) -> None:
        records, trial = self._tools.records, sweep.trials[name]
        step = trial_step(sweep.step, sweep.settings, name, trial.parameters)
        running = self._run_trial(records.get(sweep.keys[name]), step, sweep)
        sweep.tasks[run_once(running, f"the trial {name}")] = name
        sweep.trials[name] = replace(trial, state=RUNNING)
        self._write(sweep, f"{name}: started{_described(trial.parameters)}.")

    async def _run_trial(self, record: Resource, step: Step, sweep: _Sweep) -> State:
        try:
            check_parameters(step, sweep.settings)
        except EmulatorError as error:
            self._tools.records.set_state(record.key, FAILED, failure(error.message, error.error_code))
            return FAILED
        return await self._steps.run(record, step, sweep.context, sweep.earlier)

    async def _end_trial(self, sweep: _Sweep, task: asyncio.Task[State]) -> None:
        name = sweep.tasks.pop(task)
        if not task.cancelled():
            task.result()
        await self._observe(sweep, name)
        trial = sweep.trials[name]
        record = self._tools.records.merge(sweep.keys[name], properties=sweep.search.trial_ended(trial), tags={})
        reason = f": {failure_message(record).splitlines()[0]}" if trial.state == FAILED else ""
        score = trial.score(maximize=sweep.settings.maximize)
        shown = "" if score is None else f", {sweep.settings.metric} {score:g}"
        best = best_trial(sweep.trials.values(), maximize=sweep.settings.maximize)
        leads = f"; the best is {best[0].name} with {best[1]:g}" if best else ""
        ended = sum(1 for other in sweep.trials.values() if other.has_ended)
        self._write(sweep, f"{name}: {trial.state}{shown}{reason} ({ended} trials ended{leads}).")

    async def _observe(self, sweep: _Sweep, name: str) -> None:
        """Bring what is known of a trial up to date: its state and its reports."""
        record = self._tools.records.get(sweep.keys[name])
        run = record.internal.get("run")
        reports = await self._tools.tracking.reports(run, sweep.settings.metric) if run else []
        sweep.trials[name] = replace(
            sweep.trials[name],
            state=record.properties["status"],
            reports=reports,
            terminated=record.internal.get("stopped_by") in {_BY_POLICY, _BY_LIMIT},
        )

    async def _stop_trials(self, sweep: _Sweep) -> None:
        """Stop running trials that the policy ends, that exceed their timeout, or that a user has canceled."""
        now, settings = asyncio.get_running_loop().time(), sweep.settings
        for name in sweep.tasks.values():
            record = self._tools.records.get(sweep.keys[name])
            status = record.properties["status"]
            if status == RUNNING:
                began = sweep.since.setdefault(name, now)
                if settings.trial_timeout is not None and now - began > settings.trial_timeout:
                    self._stop(sweep, name, _BY_LIMIT, f"it exceeded its timeout of {settings.trial_timeout:g} s")
            elif status == CANCEL_REQUESTED and "stopped_by" not in record.internal:
                self._stop(sweep, name, _BY_USER, "a user canceled it")
        if settings.policy is None:
            return
        for name in list(sweep.tasks.values()):
            await self._observe(sweep, name)
        trials = list(sweep.trials.values())
        for name, reason in to_stop(settings.policy, trials, sweep.judged, maximize=settings.maximize).items():
            self._stop(sweep, name, _BY_POLICY, reason)
        sweep.judged |= {trial.name: newest_interval(settings.policy, trial) for trial in trials}

    def _stop(self, sweep: _Sweep, name: str, by: str, reason: str) -> None:
        task = next((task for task, running in sweep.tasks.items() if running == name and not task.done()), None)
        if task is None or task.cancelling():
            return
        self._mark(sweep, [name], by)
        self._write(sweep, f"{name}: stopped, because {reason}.")
        task.cancel()

    def _mark(self, sweep: _Sweep, names: list[str], by: str) -> None:
        for name in names:
            self._tools.records.set_internal(sweep.keys[name], stopped_by=by)

    async def _cancel_trials(self, sweep: _Sweep) -> None:
        for task in sweep.tasks:
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*sweep.tasks, return_exceptions=True)
        for name in sweep.tasks.values():
            self._tools.records.set_state(sweep.keys[name], CANCELED)
        for task in list(sweep.tasks):
            await self._end_trial(sweep, task)

    async def _finish(self, sweep: _Sweep, end: State | None) -> None:
        """Set the best trial, its outputs and the final state."""
        records, key, settings = self._tools.records, sweep.record.key, sweep.settings
        best = best_trial(sweep.trials.values(), maximize=settings.maximize)
        records.merge(key, properties={}, tags=sweep.search.tags(sweep.trials, ended=True))
        if best is not None:
            trial, score = best
            properties, tags = sweep.search.best(trial.name, score)
            await self._take_outputs(sweep, self._tools.records.get(sweep.keys[trial.name]))
            ended = records.merge(key, properties=properties, tags=tags)
            if run := ended.internal.get("run"):
                await self._tools.tracking.tag(run, properties | tags)
            self._write(sweep, f"The best trial is {trial.name} with {settings.metric} {score:g}.")
        if end is not None and not (best and sweep.search.keeps_best_after_timeout):
            records.set_state(key, end, failure(f"The sweep exceeded its timeout of {settings.timeout:g} s."))
        elif best is None:
            reason = await self._without_best(sweep)
            self._write(sweep, reason)
            records.set_state(key, FAILED, failure(reason))
        else:
            await self._register(sweep)

    async def _register(self, sweep: _Sweep) -> None:
        """Register the best trial's outputs that name an asset, and complete the sweep."""
        key = sweep.record.key
        try:
            await self._tools.assets.register(key, sweep.step, sweep.context.scope)
        except EmulatorError as error:
            self._tools.records.set_state(key, FAILED, failure(error.message, error.error_code))
        else:
            self._tools.records.set_state(key, COMPLETED)

    async def _take_outputs(self, sweep: _Sweep, best: Resource) -> None:
        """The outputs of the best trial become those of the sweep; at the author's path where there is one."""
        paths, outputs = self._tools.job_paths, dict(best.internal["outputs"])
        for name, output in sweep.step.outputs.items():
            if output.uri and name in outputs:
                record, context = sweep.record, sweep.context
                target = paths.output(context.scope, record.name, name, output, context.datastore)
                await asyncio.to_thread(paths.copy, paths.absolute(outputs[name]), target)
                outputs[name] = paths.relative(target)
        self._tools.records.set_internal(sweep.record.key, outputs=outputs, output_types=best.internal["output_types"])

    async def _without_best(self, sweep: _Sweep) -> str:
        """Why no trial is the best."""
        metric, trials = sweep.settings.metric, list(sweep.trials.values())
        failed = [trial for trial in trials if trial.state == FAILED]
        if len(failed) == len(trials):
            record = self._tools.records.get(sweep.keys[failed[0].name])
            return f"All {len(trials)} trials failed. The first, {record.name}: {failure_message(record)}"
        others = [trial for trial in trials if trial.state != FAILED]
        if any(trial.reports for trial in others):
            return (
                f"No trial that completed has reported a number as '{metric}': it was NaN, or the trial was canceled."
            )
        run = self._tools.records.get(sweep.keys[others[0].name]).internal.get("run")
        names = await self._tools.tracking.metric_names(run) if run else []
        there = f" {others[0].name} reported: {', '.join(names)}." if names else f" {others[0].name} reported nothing."
        return (
            f"No trial has reported the primary metric '{metric}'.{there} Log it in the trial's script with "
            f"mlflow.log_metric('{metric}', value), or correct the sweep's primary_metric."
        )

    async def _close(self, record: Resource, begun: Run) -> None:
        await close_run(self._tools.tracking, begun, self._tools.records.get(record.key).properties["status"])

    def _elapsed(self, sweep: _Sweep) -> float:
        started = datetime.fromisoformat(self._tools.records.get(sweep.record.key).internal["started"])
        return (self._tools.clock.now() - started).total_seconds()

    def _write(self, sweep: _Sweep, text: str) -> None:
        sweep.log.stamped(self._tools.clock.now(), text)


def resumes(record: Resource) -> bool:
    """Whether a sweep goes on when the emulator starts again: one that is a job of its own does."""
    return record.properties["jobType"] in {"Sweep", "AutoML"} and "parent" not in record.internal


def _number(trial: Resource) -> int:
    return int(trial.name.rpartition("_")[2])


def _described(parameters: dict[str, Any]) -> str:
    return " with " + ", ".join(f"{name}={value}" for name, value in parameters.items()) if parameters else ""
