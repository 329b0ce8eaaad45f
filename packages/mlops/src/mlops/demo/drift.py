"""Drift after a good release: a day of shifted inputs, the monitor's verdict, its event, and a newer model.

Each part is what people and CI run: `monitor` judges and publishes, the topic delivers, and the handler starts
`retrain --because EVENT`. This module only adds what the demo needs: a topic, rules that train on recent requests
(both are a commit in the scratch repository), and an event handler in place of Azure's. The handler listens on the
loopback address only and answers only under its secret path. The content of an event is not trusted: it only refers
to a verdict in the audit log (retraining/begin.py).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import PurePosixPath
from queue import Empty, Queue
from threading import Thread
from typing import Any, Final, cast

from azure.core.rest import HttpRequest
from azure.mgmt.core import ARMPipelineClient

from mlops.audit.announcement import DRIFT_FOUND, topic_id
from mlops.azure.workspace import WorkspaceClients, connect_management
from mlops.cli.progress import say
from mlops.core.errors import InputError, JobFailed, MachineError
from mlops.core.layout import PROJECT_FILE
from mlops.core.results import Block, Line, Result
from mlops.dashboard.serving import LOOPBACK, LoopbackServer
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
from mlops.settings.project import Project, Stage, load_project
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
# The maximum size of an Event Grid event.
_LARGEST_BYTES: Final = 1_048_576
_ANY_PORT: Final = 0
_API_VERSION: Final = "2022-06-15"
_SUBSCRIPTION: Final = "retraining"
_SCHEMA: Final = "CloudEventSchemaV1_0"


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


class Handler(LoopbackServer):
    """The received events, in order."""

    def __init__(self) -> None:
        super().__init__((LOOPBACK, _ANY_PORT), _Requests)
        self.path = f"/{secrets.token_urlsafe(16)}"
        self._heard: Queue[dict[str, Any]] = Queue()

    @property
    def address(self) -> str:
        """The address that events are sent to."""
        return f"http://{self.authority}{self.path}"

    def take(self, event: dict[str, Any]) -> None:
        """Queue an event for the worker."""
        self._heard.put(event)

    def next(self, seconds: float) -> dict[str, Any] | None:
        """The next event; None if none arrives within this many seconds."""
        try:
            return self._heard.get(timeout=seconds)
        except Empty:
            return None


@contextmanager
def listening() -> Generator[Handler]:
    """A context manager: a handler that listens."""
    with Handler() as handler:
        thread = Thread(target=handler.serve_forever, daemon=True)
        thread.start()
        try:
            yield handler
        finally:
            handler.shutdown()
            thread.join()


class _Requests(BaseHTTPRequestHandler):
    """CloudEvents over HTTP, and the handshake before them (CloudEvents HTTP 1.1 Web Hooks, section 4)."""

    protocol_version = "HTTP/1.1"

    def do_OPTIONS(self) -> None:
        """Allow any sender that knows the path."""
        if self._is_known:
            self._answer(HTTPStatus.OK, {"WebHook-Allowed-Origin": self.headers.get("WebHook-Request-Origin", "*")})
        else:
            self._answer(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """Receive an event: acknowledged at once, since handling it takes longer than a sender waits."""
        length = self.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else -1
        if not self._is_known or not 0 < size <= _LARGEST_BYTES:
            # Unread bytes would be taken as the next request.
            self.close_connection = True
            self._answer(HTTPStatus.NOT_FOUND if not self._is_known else HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        try:
            event = json.loads(self.rfile.read(size))
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            self._answer(HTTPStatus.BAD_REQUEST)
            return
        cast(Handler, self.server).take(event)
        self._answer(HTTPStatus.OK)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing: the terminal belongs to the demo."""

    @property
    def _is_known(self) -> bool:
        return secrets.compare_digest(self.path.encode(), cast(Handler, self.server).path.encode())

    def _answer(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def subscribed(stage: Stage, address: str) -> Generator[None]:
    """A context manager: sends the drift events of the stage's topic to an address."""
    client, topic = connect_management(), topic_id(stage)
    subscription = f"{topic}/providers/Microsoft.EventGrid/eventSubscriptions/{_SUBSCRIPTION}"
    _send(client, "PUT", topic, {"location": stage.location, "properties": {"inputSchema": _SCHEMA}})
    webhook = {"endpointType": "WebHook", "properties": {"endpointUrl": address}}
    wanted = {
        "destination": webhook,
        "eventDeliverySchema": _SCHEMA,
        "filter": {"includedEventTypes": [DRIFT_FOUND]},
    }
    _send(client, "PUT", subscription, {"properties": wanted})
    try:
        yield
    finally:
        # Nothing listens there any more: later events must not be queued for it.
        _send(client, "DELETE", subscription)


def _send(client: ARMPipelineClient, verb: str, place: str, body: dict[str, Any] | None = None) -> None:
    request = HttpRequest(verb, client.format_url(place), params={"api-version": _API_VERSION}, json=body)
    client.send_request(request).raise_for_status()
