"""What the page shows, as frozen values of one moment. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mlops.audit.history import StageHistory
from mlops.azure.service_metrics import Interval
from mlops.endpoint.stage_status import StageStatus
from mlops.settings.releases import Release
from mlops.settings.stages import StageName

# How far back the service is shown, and in what steps: half an hour, as the page says.
SERVICE_WINDOW: Final = timedelta(hours=24)
SERVICE_INTERVAL: Final = timedelta(minutes=30)


@dataclass(frozen=True)
class Service:
    """How an endpoint answered lately, oldest interval first; `problem` says why nothing is known of it."""

    intervals: tuple[Interval, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class StageSnapshot:
    """One stage: what it runs, what git says it is to run, its audit log, and how it answers.

    `release_problem` says why the manifest cannot be read; what else is not known says so itself.
    """

    name: StageName
    status: StageStatus
    release: Release | None
    release_problem: str
    history: StageHistory
    service: Service


@dataclass(frozen=True)
class Snapshot:
    """All stages of a project at one moment."""

    project: str
    model: str
    taken: datetime
    stages: tuple[StageSnapshot, ...]
