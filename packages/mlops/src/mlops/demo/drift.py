"""Drift after a good release: a day of shifted inputs, the monitor's verdict, its event, and a newer model.

Each part is what people and CI run: `monitor` judges and publishes, the topic delivers, and the handler starts
`retrain --because EVENT`. This module only adds what the demo needs: a topic, and rules that train on recent
requests. Both are a commit in the scratch repository.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

from mlops.azure.workspace import WorkspaceClients
from mlops.cli.progress import say
from mlops.core.errors import InputError, JobFailed, MachineError
from mlops.core.layout import PROJECT_FILE
from mlops.core.results import Block, Line, Result
from mlops.demo.event_handler import listening, subscribed
from mlops.demo.scratch import Scratch
from mlops.demo.traffic import SimulatedTraffic, make_traffic_day, simulate_traffic
from mlops.endpoint.view import live_model
from mlops.models.registered import fetch_package, read_provenance, read_schema
from mlops.monitoring.result import MonitorResult, drift_histograms
from mlops.monitoring.run import monitor
from mlops.promotion.branch import PROMOTIONS
from mlops.retraining.begin import read_trigger
from mlops.retraining.run import RetrainResult, retrain
from mlops.settings.policies import RETRAINING_FILE, CollectedRows
from mlops.settings.project import Project, load_project
from mlops.settings.releases import change_values
from mlops.settings.stages import StageName
from mlops.training.submission import held_out_file

# Requests of a minute ago: a demo does not wait for outcomes to settle.
_ROWS: Final = CollectedRows(
    window_days=1,
    label_delay_days=0,
    min_rows=500,
    min_rows_per_class=50,
    max_rows=100_000,
    include_history=True,
    exclude_known_rows=True,
)
_PATIENCE_SECONDS: Final = 120.0


@dataclass(frozen=True)
class DriftResult(Result):
    """The simulated day, the monitor's findings, the delivered event, and the retraining that it started.

    `waiting` are the branches of unmerged promotions.
    """

    watched: StageName
    played: SimulatedTraffic
    found: MonitorResult
    event: dict[str, Any]
    retrained: RetrainResult
    waiting: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """1 if the gates block the new model."""
        return self.retrained.exit_code

    def document(self) -> dict[str, Any]:
        """Everything, by part."""
        found = self.found.document()
        told = ("state", "headline", "retrain", "drifted", "window", "audit", "report")
        seconds = None if self.played.seconds is None else round(self.played.seconds, 3)
        return {
            "played": {"requests": self.played.requests, "seconds": seconds},
            "monitor": {name: found[name] for name in told},
            "event": {name: self.event[name] for name in ("id", "type", "source", "subject", "time")},
            "retraining": self.retrained.document(),
            "waiting": list(self.waiting),
        }

    def blocks(self) -> Sequence[Block]:
        """The day, the verdict with its histograms, the event, and its result."""
        played, monitored = self.played, self.found.monitored
        seconds = "sent in an earlier run" if played.seconds is None else f"sent in {played.seconds:.1f} s"
        return [
            Line(f"a day of shifted inputs in {self.watched}: {played.requests:,} requests, {seconds}"),
            Line(monitored.headline, "bad"),
            *drift_histograms(monitored),
            Line(f"event: {self.event['type']}, {self.event['subject']}; its handler started `mlops retrain`"),
            *self.retrained.story(),
            Line(f"The inputs of {self.watched} have shifted: start over with --fresh for another scenario.", "hint"),
        ]

    @property
    def where(self) -> Sequence[tuple[str, str]]:
        """Where to look."""
        promotion = self.retrained.promotion
        return [
            ("report of the drift", str(self.found.html)),
            *([("report of the new model", str(promotion.report_file))] if promotion else []),
            *(("branch waiting for review", branch) for branch in self.waiting),
            ("all stages on one page", "mlops dashboard"),
        ]


def show_drift(scratch: Scratch) -> DriftResult:
    """Simulate the day, then monitor and retrain. Production must run a release. Safe to run again."""
    project = _prepare_project(scratch)
    clients = WorkspaceClients(project)
    watched = project.order.production
    stage = project.settings.stage(watched)
    client = clients.stage(watched)
    live = live_model(client, stage)
    if live is None:
        raise InputError(f"{watched} runs no model, so it cannot be called", "Run `mlops demo` first.")
    package, _ = fetch_package(clients.models(watched), project, project.settings.model, live.version)
    # Rows that the live model has never seen. Similar ones train the new model: it learns, but from many rows per leaf.
    rows = held_out_file(clients.training, project, read_provenance(package).job)
    day = make_traffic_day(project, rows, read_schema(package))
    played = simulate_traffic(clients, watched, live, day)
    with listening() as handler, subscribed(stage, handler.address):
        # Requests before and after it, from another scenario of the demo or an earlier run, are not part of the day.
        found = monitor(client, project, watched, played.window, day.outcomes, None)
        if found.monitored.verdict.state != "drift":
            raise JobFailed(
                f"a day of shifted inputs was not detected as drift: {found.monitored.headline}",
                "Check its report; if there were other requests since, start over with `mlops demo --fresh --drift`.",
                (str(found.html),),
            )
        event = handler.next(_PATIENCE_SECONDS)
        if event is None:
            raise MachineError(
                "no event about the drift was received", f"Check that the topic {stage.events_topic} delivers events."
            )
        say(f"received the event {event.get('type')} of {event.get('subject')}; retraining")
        retrained = retrain(clients, read_trigger(json.dumps(event)), datetime.now(UTC))
    return DriftResult(watched, played, found, event, retrained, scratch.repository.waiting(PROMOTIONS))


def _prepare_project(scratch: Scratch) -> Project:
    """The scratch project with a topic for drift events, and rules that train on recent requests."""
    project = scratch.at_branch()
    watched = project.order.production
    topic = project.settings.stage(watched).events_topic or f"{project.settings.name}-events"
    changes: dict[PurePosixPath, dict[str, Any]] = {
        PurePosixPath(PROJECT_FILE): {"stages": {watched: {"events_topic": topic}}},
        PurePosixPath(RETRAINING_FILE.as_posix()): {"data": _ROWS.model_dump()},
    }
    files = {
        path: change_values((project.root / path).read_text(encoding="utf-8"), values).encode()
        for path, values in changes.items()
    }
    scratch.repository.change(files, "Publish drift to a topic, and train on recent requests")
    return load_project(project.root)
