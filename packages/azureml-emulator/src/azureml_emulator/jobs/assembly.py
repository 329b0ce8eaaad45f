"""All that jobs take, wired together; what begins and ends with the emulator. The root of the folder `jobs`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from azureml_emulator.jobs.behaviour import Jobs
from azureml_emulator.jobs.execution.content_hashes import ContentHashes
from azureml_emulator.jobs.execution.resolver import Resolver
from azureml_emulator.jobs.execution.reuse import Reuse
from azureml_emulator.jobs.execution.runner import Runner
from azureml_emulator.jobs.execution.step_runner import StepRunner, StepTools
from azureml_emulator.jobs.execution.step_variables import inherited
from azureml_emulator.jobs.job_paths import Places
from azureml_emulator.jobs.job_records import JobRecords
from azureml_emulator.jobs.launching.fork_launcher import WarmLauncher
from azureml_emulator.jobs.launching.launcher import Launcher, PlainLauncher
from azureml_emulator.jobs.launching.preloading import Preload
from azureml_emulator.jobs.tracking.http_client import Outgoing
from azureml_emulator.jobs.tracking.mlflow_runs import Tracking
from azureml_emulator.jobs.tracking.mlflow_server import MlflowServer
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.operations import Operations
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.supervisor import Processes
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.storage.locator import Locator


class JobParts:
    """Every part of jobs; `variables` lead a step that uses azure-ai-ml back to this emulator."""

    def __init__(
        self,
        settings: Settings,
        base_url: str,
        store: Store,
        clock: Clock,
        blobs: Blobs,
        locator: Locator,
        operations: Operations,
        processes: Processes,
        variables: dict[str, str],
    ) -> None:
        state = settings.state
        self._early_mlflow = settings.mlflow_start == "early"
        self.outgoing = Outgoing()
        self.mlflow = MlflowServer(store, processes, self.outgoing, state / "mlflow")
        self.tracking = Tracking(self.mlflow, self.outgoing, clock)
        self.records = JobRecords(store, clock)
        self.places = Places(store, blobs, locator, state / "jobs")
        plain = PlainLauncher(processes)
        # Forking after imports is unsafe on macOS: its system libraries start threads.
        warm = settings.step_launcher == "warm" and sys.platform == "linux"
        self._warm = WarmLauncher(store, processes, plain, state / "fork-server.log") if warm else None
        launcher: Launcher = self._warm or plain
        self.preload = Preload(self._warm.learn if self._warm else _learn_nothing)
        tools = StepTools(
            records=self.records,
            places=self.places,
            resolver=Resolver(locator),
            reuse=Reuse(store, ContentHashes(), blobs.root),
            tracking=self.tracking,
            launcher=launcher,
            clock=clock,
            variables={**inherited(os.environ, Path(sys.executable)), **variables},
            location=settings.location,
            parallel=settings.parallel_steps,
        )
        self.runner = Runner(
            self.records, StepRunner(tools), self.tracking, self.places, clock, settings.parallel_steps
        )
        self.behaviour = Jobs(
            store, clock, operations, locator, self.records, self.runner, self.places, self.preload, base_url
        )
        self._closing: asyncio.Task[None] | None = None

    def open(self) -> None:
        """At start, after orphans were reaped: end what was interrupted, and begin what runs in the background."""
        interrupted = self.runner.fail_interrupted()
        if self._early_mlflow:
            self.mlflow.open()
        if self._warm is not None:
            self._warm.open()
        self._closing = asyncio.create_task(self.tracking.end_when_ready(interrupted))

    async def close(self) -> None:
        """End jobs, the warm server and MLflow."""
        await self.runner.stop()
        if self._closing is not None:
            self._closing.cancel()
            await asyncio.gather(self._closing, return_exceptions=True)
        # Before MLflow ends: it waits for connections that are open.
        await self.outgoing.close()
        ending = [self.mlflow.close(), *([self._warm.close()] if self._warm is not None else [])]
        await asyncio.gather(*ending)


def _learn_nothing(_: object) -> None:
    """Plain processes import for themselves."""
