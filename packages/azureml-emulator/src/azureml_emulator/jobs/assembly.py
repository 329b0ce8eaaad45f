"""Wires the parts of jobs together, and starts and stops them with the emulator. The root of the folder `jobs`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from azureml_emulator.jobs.behaviour import Jobs
from azureml_emulator.jobs.execution.content_hashes import ContentHashes
from azureml_emulator.jobs.execution.inputs.resolver import Resolver
from azureml_emulator.jobs.execution.inputs.web_inputs import WebInputs
from azureml_emulator.jobs.execution.output_assets import OutputAssets
from azureml_emulator.jobs.execution.reuse import Reuse
from azureml_emulator.jobs.execution.runner import Runner
from azureml_emulator.jobs.execution.step_runner import StepRunner, StepTools
from azureml_emulator.jobs.execution.step_variables import inherited
from azureml_emulator.jobs.execution.sweep_runner import SweepRunner
from azureml_emulator.jobs.job_paths import JobPaths
from azureml_emulator.jobs.job_records import JobRecords
from azureml_emulator.jobs.launching.fork_launcher import ForkLauncher
from azureml_emulator.jobs.launching.interpreters import Interpreters
from azureml_emulator.jobs.launching.launcher import PlainLauncher
from azureml_emulator.jobs.launching.preloading import Preloader
from azureml_emulator.jobs.launching.rank_networks import RankNetworks
from azureml_emulator.jobs.tracking.external_runs import ExternalRuns
from azureml_emulator.jobs.tracking.gateway import Gateway
from azureml_emulator.jobs.tracking.http_client import HttpClient
from azureml_emulator.jobs.tracking.mlflow_runs import Tracking
from azureml_emulator.jobs.tracking.mlflow_server import MlflowServer
from azureml_emulator.kernel.background import run_once
from azureml_emulator.kernel.behaviours import Behaviour
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.operations import Operations
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.listeners import Listeners
from azureml_emulator.processes.supervisor import Processes
from azureml_emulator.security.tokens import Tokens
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.storage.locator import Locator
from azureml_emulator.storage.run_artifacts import RunArtifacts
from azureml_emulator.storage.web_files import WebFiles


class JobParts:
    """The parts of jobs. Raises InterpreterUnusable.

    `asset_versions` registers what jobs write; `variables` point steps that use azure-ai-ml at this emulator.
    """

    def __init__(
        self,
        settings: Settings,
        base_url: str,
        store: Store,
        clock: Clock,
        blobs: Blobs,
        locator: Locator,
        artifacts: RunArtifacts,
        operations: Operations,
        processes: Processes,
        asset_versions: Mapping[str, Behaviour],
        variables: dict[str, str],
        listeners: Listeners,
        tokens: Tokens,
    ) -> None:
        self._is_eager = settings.background_start == "eager"
        self.http_client = HttpClient(listeners.socket_path("mlflow"))
        self.mlflow = MlflowServer(store, processes, self.http_client, settings.state / "mlflow")
        self.tracking = Tracking(self.mlflow, self.http_client, artifacts, clock, tokens)
        self.records = JobRecords(store, clock)
        runs = ExternalRuns(self.records, self.tracking, artifacts)
        self.gateway = Gateway(self.mlflow, self.http_client, runs)
        self.job_paths = JobPaths(store, blobs, locator, artifacts, settings.state / "jobs")
        plain = PlainLauncher(processes)
        self._forking = _fork_launcher(settings, store, processes, plain)
        self.preloader = Preloader(self._forking.learn if self._forking else _learn_nothing)
        self._web = WebFiles(settings.state / "web", settings.web)
        resolver = Resolver(locator, self._web)
        tools = StepTools(
            records=self.records,
            job_paths=self.job_paths,
            resolver=resolver,
            web_inputs=WebInputs(resolver, self._web),
            reuse=Reuse(store, ContentHashes(), blobs.root),
            assets=OutputAssets(store, self.records, self.job_paths, asset_versions),
            tracking=self.tracking,
            launcher=self._forking or plain,
            interpreters=Interpreters(settings.environments),
            clock=clock,
            variables={**inherited(os.environ, Path(sys.executable)), **variables},
            location=settings.location,
            parallel=settings.parallel_steps,
            listeners=listeners,
            networks=RankNetworks(processes, listeners, open_ports=settings.open_rank_ports),
            open_spark_ports=settings.open_spark_ports,
            spark_engine=settings.spark_engine,
        )
        steps = StepRunner(tools)
        sweeps = SweepRunner(tools, steps)
        self.runner = Runner(self.records, steps, sweeps, self.tracking, self.job_paths, clock, settings.parallel_steps)
        self.behaviour = Jobs(
            store,
            clock,
            operations,
            locator,
            resolver,
            self.records,
            self.runner,
            self.job_paths,
            self.preloader,
            base_url,
        )
        self._closing: asyncio.Task[None] | None = None

    def open(self) -> None:
        """At start, after orphans were reaped: fail interrupted jobs, and start what runs in the background."""
        self._web.open()
        interrupted = self.runner.fail_interrupted()
        if self._is_eager:
            self.mlflow.open()
        if self._forking is not None:
            self._forking.open()
            if self._is_eager:
                self.preloader.learn_project(Path.cwd())
        self.behaviour.resume()
        self._closing = run_once(
            self.tracking.end_when_ready(interrupted), "ending the MLflow runs of interrupted jobs"
        )

    async def close(self) -> None:
        """Stop jobs, the fork server and MLflow."""
        await self.runner.stop()
        if self._closing is not None:
            self._closing.cancel()
            await asyncio.gather(self._closing, return_exceptions=True)
        ending = [self.mlflow.close(), *([self._forking.close()] if self._forking is not None else [])]
        await asyncio.gather(*ending)


def _fork_launcher(settings: Settings, store: Store, processes: Processes, plain: PlainLauncher) -> ForkLauncher | None:
    # Forking after imports is unsafe on macOS, whose system libraries start threads.
    if settings.step_launcher != "fork" or sys.platform != "linux":
        return None
    return ForkLauncher(store, processes, plain, settings.state / "fork-server.log")


def _learn_nothing(_: object) -> None:
    """Do nothing: fresh processes import by themselves."""
