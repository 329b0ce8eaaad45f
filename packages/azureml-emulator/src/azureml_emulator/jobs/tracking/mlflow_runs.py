"""The MLflow runs of jobs: created when a job starts, closed when it ends, by MLflow's REST API.

Jobs do not depend on them: when MLflow fails, that is logged, and the job continues without a run.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import aiohttp

from azureml_emulator.jobs.definitions.states import CANCELED, COMPLETED, State
from azureml_emulator.jobs.tracking.http_client import HttpClient
from azureml_emulator.jobs.tracking.mlflow_server import MlflowServer
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import EmulatorError, Unavailable
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.security.tokens import Tokens
from azureml_emulator.storage.run_artifacts import RunArtifacts

_END = {COMPLETED: "FINISHED", CANCELED: "KILLED"}
_NAME_TAKEN = "RESOURCE_ALREADY_EXISTS"
_TIMEOUT = aiohttp.ClientTimeout(total=30)
_log = logging.getLogger(__name__)


class TrackingFailed(Exception):
    """MLflow refused a request; the message is MLflow's."""


# Without it, MLflow's pages take an experiment for one of language models.
_KIND: Final = [{"key": "mlflow.experimentKind", "value": "custom_model_development"}]


@dataclass(frozen=True)
class TrackedRun:
    """A run: its id, the tracking address, and its page below that address."""

    run: str
    address: str
    page: str


class Tracking:
    """Creates and closes runs."""

    def __init__(
        self, server: MlflowServer, http_client: HttpClient, artifacts: RunArtifacts, clock: Clock, tokens: Tokens
    ) -> None:
        self._server = server
        self._outgoing = http_client
        self._artifacts = artifacts
        self._clock = clock
        self._tokens = tokens
        self._experiments: dict[str, str] = {}

    def token(self, run: str) -> str:
        """The token with which the step of a run asks MLflow."""
        return self._tokens.for_mlflow(run)

    async def begin(self, scope: Scope, experiment: str, name: str, job: str, parent: str | None) -> TrackedRun | None:
        """Create a run for a job, nested below the run `parent`. Returns None, and logs it, when MLflow fails."""
        tags = {"mlflow.runName": name, "azureml.job": job, "mlflow.source.type": "JOB"}
        if parent:
            tags["mlflow.parentRunId"] = parent
        try:
            await self._server.ready()
            identifier = await self._experiment(experiment)
            body = {
                "experiment_id": identifier,
                "run_name": name,
                "start_time": self._now(),
                "tags": [{"key": key, "value": value} for key, value in tags.items()],
            }
            reply = await self._post("runs/create", body)
        except (TrackingFailed, EmulatorError, aiohttp.ClientError, TimeoutError) as error:
            _log.warning("no MLflow run for job %s: %s", job, error)
            return None
        run = reply["run"]["info"]["run_id"]
        self._artifacts.link(reply["run"]["info"]["artifact_uri"], scope, job)
        return TrackedRun(run, self._server.address_for(scope), f"#/experiments/{identifier}/runs/{run}")

    async def end(self, run: str, state: State) -> None:
        """Close a run."""
        body = {"run_id": run, "status": _END.get(state, "FAILED"), "end_time": self._now()}
        try:
            await self._post("runs/update", body)
        except (TrackingFailed, aiohttp.ClientError, TimeoutError) as error:
            _log.warning("the MLflow run %s stays open: %s", run, error)

    async def reports(self, run: str, metric: str) -> list[float]:
        """All values of one metric of a run, in the order in which they were logged. Empty, and logged, on failure."""
        query = {"run_id": run, "metric_key": metric}
        try:
            await self._server.ready()
            reply = await self._get("metrics/get-history", query)
        except (TrackingFailed, Unavailable, aiohttp.ClientError, TimeoutError) as error:
            _log.warning("no metric '%s' of the MLflow run %s: %s", metric, run, error)
            return []
        logged = [
            (int(entry.get("step", 0)), int(entry.get("timestamp", 0)), float(entry.get("value", 0)))
            for entry in reply.get("metrics", [])
        ]
        return [value for _, _, value in sorted(logged, key=lambda entry: entry[:2])]

    async def metric_names(self, run: str) -> list[str]:
        """The metrics that a run has logged. Empty on failure."""
        try:
            reply = await self._get("runs/get", {"run_id": run})
        except (TrackingFailed, aiohttp.ClientError, TimeoutError):
            return []
        return sorted({metric["key"] for metric in reply["run"]["data"].get("metrics", [])})

    async def tag(self, run: str, tags: dict[str, str]) -> None:
        """Set tags of a run."""
        try:
            for key, value in tags.items():
                await self._post("runs/set-tag", {"run_id": run, "key": key, "value": value})
        except (TrackingFailed, aiohttp.ClientError, TimeoutError) as error:
            _log.warning("the MLflow run %s has no tags: %s", run, error)

    async def _experiment(self, name: str) -> str:
        known = self._experiments.get(name)
        if known is None:
            try:
                reply = await self._post("experiments/create", {"name": name, "tags": _KIND})
                known = str(reply["experiment_id"])
            except TrackingFailed as error:
                if _NAME_TAKEN not in str(error):
                    raise
                found = await self._get("experiments/get-by-name", {"experiment_name": name})
                known = str(found["experiment"]["experiment_id"])
            self._experiments[name] = known
        return known

    async def experiment_name(self, identifier: str) -> str:
        """The name of an experiment. Raises Unavailable when MLflow does not say it."""
        for name, known in self._experiments.items():
            if known == identifier:
                return name
        try:
            found = await self._get("experiments/get", {"experiment_id": identifier})
        except (TrackingFailed, aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"MLflow does not know the experiment {identifier}: {error}") from error
        self._experiments[found["experiment"]["name"]] = identifier
        return found["experiment"]["name"]

    async def logged_model(self, identifier: str) -> dict[str, Any] | None:
        """What MLflow has of a logged model, with its `artifact_uri`; None when it has no such model."""
        await self._server.ready()
        try:
            found = await self._get(f"logged-models/{identifier}", {})
        except (TrackingFailed, aiohttp.ClientError, TimeoutError):
            return None
        return found["model"]["info"]

    async def end_when_ready(self, runs: dict[str, State]) -> None:
        """Close runs that an interrupted process left open, once MLflow is ready."""
        if not runs:
            return
        try:
            await self._server.ready()
        except EmulatorError as error:
            _log.warning("runs stay open: %s", error)
            return
        for run, state in runs.items():
            await self.end(run, state)

    async def _post(self, route: str, body: dict[str, Any]) -> dict[str, Any]:
        url = f"{self._server.address}/api/2.0/mlflow/{route}"
        async with self._outgoing.session.post(url, json=body, timeout=_TIMEOUT) as reply:
            return await _answer(reply)

    async def _get(self, route: str, query: dict[str, str]) -> dict[str, Any]:
        url = f"{self._server.address}/api/2.0/mlflow/{route}"
        async with self._outgoing.session.get(url, params=query, timeout=_TIMEOUT) as reply:
            return await _answer(reply)

    def _now(self) -> int:
        return milliseconds(self._clock.now())


def milliseconds(moment: datetime) -> int:
    """A time as MLflow writes it: milliseconds of the epoch."""
    return int(moment.timestamp() * 1000)


async def _answer(reply: aiohttp.ClientResponse) -> dict[str, Any]:
    if not reply.ok:
        raise TrackingFailed(await reply.text())
    return await reply.json()
