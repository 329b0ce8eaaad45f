"""The MLflow run of a job, nested pipeline, sweep or step: begun below its parent's, and closed with its record."""

from __future__ import annotations

import asyncio

from azureml_emulator.jobs.definitions.states import CANCELED, State
from azureml_emulator.jobs.job_records import JobRecords
from azureml_emulator.jobs.tracking.mlflow_runs import TrackedRun, Tracking
from azureml_emulator.kernel.resource_id import parse_resource_path
from azureml_emulator.kernel.store import Resource

Run = asyncio.Task[TrackedRun | None]


async def begin_run(
    tracking: Tracking, records: JobRecords, record: Resource, name: str, experiment: str, parent: Run | None
) -> TrackedRun | None:
    """Begin the run of a record, once that of its parent has begun, and note it in the record. None without MLflow."""
    above = await asyncio.shield(parent) if parent is not None else None
    scope = parse_resource_path(record.id).scope
    tracked = await tracking.begin(scope, experiment, name, record.name, above.run if above else None)
    if tracked is not None:
        records.record_run(record.key, tracked.run, tracked.page)
    return tracked


async def close_run(tracking: Tracking, run: Run, end: State) -> None:
    """Close a run with the state that its record ended in; after a cancel there may be none yet."""
    if end == CANCELED and not run.done():
        run.cancel()
        return
    tracked = await run
    if tracked is not None:
        await tracking.end(tracked.run, end)
