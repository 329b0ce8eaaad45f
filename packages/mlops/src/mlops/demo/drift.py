"""The world changes after a good release: a day of other callers, drift, the event that tells of it, a newer model.

Each part is what people and CI run: `monitor` judges and publishes, the topic delivers, and the handler starts
`retrain --because EVENT`. Decided here is only what the demo needs for it: a topic, and rules that train on what was
asked. Both are a commit in the scratch repository.
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
from mlops.models.package_store import fetch_package, read_provenance, read_schema
from mlops.monitoring.result import MonitorResult, drift_histograms
from mlops.monitoring.run import monitor
from mlops.promotion.branch import PROMOTIONS
from mlops.retraining.begin import read_trigger
from mlops.retraining.run import RetrainResult, retrain
from mlops.settings.project import Project, load_project
from mlops.settings.releases import change_values
from mlops.settings.retraining import RETRAINING_FILE, CollectedRows
from mlops.settings.stages import StageName
from mlops.training.submission import held_out_file

# What was asked a minute ago: nobody waits for outcomes to settle here.
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
    """A day as it was played, what the monitor found, the event that was delivered, and what it started.

    `waiting` are the branches of promotions that nobody has merged yet.
    """

    watched: StageName
    played: SimulatedTraffic
    found: MonitorResult
    event: dict[str, Any]
    retrained: RetrainResult
    waiting: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """1 when the gates block what was trained."""
        return self.retrained.exit_code

    def document(self) -> dict[str, Any]:
        """Everything, by its part."""
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
        """The day, the verdict with its pictures, the event, and what came of it."""
        played, monitored = self.played, self.found.monitored
        seconds = "had been asked before" if played.seconds is None else f"asked in {played.seconds:.1f} s"
        return [
            Line(f"a day of other callers in {self.watched}: {played.requests:,} requests, {seconds}"),
            Line(monitored.headline, "bad"),
            *drift_histograms(monitored),
            Line(f"told: {self.event['type']}, {self.event['subject']}; delivered, and a handler started to retrain"),
            *self.retrained.story(),
            Line(f"Callers of {self.watched} are others now: for another story begin anew, with --fresh.", "hint"),
        ]

    @property
    def where(self) -> Sequence[tuple[str, str]]:
        """Where to look."""
        promotion = self.retrained.promotion
        return [
            ("report of the drift", str(self.found.html)),
            *([("report of the newer model", str(promotion.report_file))] if promotion else []),
            *(("branch that waits for a review", branch) for branch in self.waiting),
            ("all stages on one page", "mlops dashboard"),
        ]


def show_drift(scratch: Scratch) -> DriftResult:
    """Play the day, and let what follows from it happen. Prod has to run a release. Safe to run again."""
    project = _prepared(scratch)
    clients = WorkspaceClients(project)
    watched = project.order.production
    stage = project.settings.stage(watched)
    client = clients.stage(watched)
    live = live_model(client, stage)
    if live is None:
        raise InputError(f"{watched} runs nothing, so nobody can call it", "Run `mlops demo` first.")
    package, _ = fetch_package(clients.models(watched), project, project.settings.model, live.version)
    # Rows that the live model has never seen. Their likes train the newer one: it learns, but from leaves of many rows.
    rows = held_out_file(clients.training, project, read_provenance(package).job)
    day = make_traffic_day(project, rows, read_schema(package))
    played = simulate_traffic(clients, watched, live, day)
    with listening() as handler, subscribed(stage, handler.address):
        # Callers before and after it, as in another story of the demo or when it is run again, are not of the day.
        found = monitor(client, project, watched, played.window, day.outcomes, None)
        if found.monitored.verdict.state != "drift":
            raise JobFailed(
                f"a day of other callers is no drift: {found.monitored.headline}",
                "Look at its report; if others have called since, begin anew with `mlops demo --fresh --drift`.",
                (str(found.html),),
            )
        event = handler.next(_PATIENCE_SECONDS)
        if event is None:
            raise MachineError("nobody was told of the drift", f"Does the topic {stage.events_topic} deliver events?")
        say(f"event {event.get('type')}: {event.get('subject')}")
        retrained = retrain(clients, read_trigger(json.dumps(event)), datetime.now(UTC))
    return DriftResult(watched, played, found, event, retrained, scratch.repository.waiting(PROMOTIONS))


def _prepared(scratch: Scratch) -> Project:
    """The scratch project with a topic that is told of drift, and rules that train on what was asked."""
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
    scratch.repository.change(files, "Tell a topic of drift, and train on what was asked")
    return load_project(project.root)
