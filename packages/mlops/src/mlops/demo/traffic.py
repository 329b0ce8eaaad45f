"""A day of simulated traffic at a stage: callers that differ from the training data, and their later outcomes.

A day's requests are sent within seconds. Their ids follow from the rows, so that the same day is sent only once.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp
import polars as pl

from mlops.azure.collected_data import read_collected
from mlops.azure.workspace import WorkspaceClients
from mlops.cli.progress import say
from mlops.core.errors import MachineError, RequestRefused, WorkspaceError
from mlops.core.layout import ROWS_FOLDER, SHIFT_SCRIPT, private_folder
from mlops.core.waiting import poll
from mlops.demo.rows import request_bodies, shifted
from mlops.endpoint.client import REQUEST_ID_HEADER, Address, address_of, trust
from mlops.endpoint.view import Live, observe
from mlops.settings.project import Project, read_project_schema
from mlops.settings.stages import StageName
from model_package.collected.labels import outcome_column
from model_package.collected.window import Window
from model_package.rows.collected_columns import CORRELATION_ID, ROW, TIME
from model_package.schema import Schema
from model_package.tasks import task_of

_CONNECTIONS: Final = 8
_TIMEOUT_SECONDS: Final = 30.0
_JOIN_SECONDS: Final = 40.0


class Callers:
    """A context manager that sends some requests to an endpoint repeatedly, wherever its traffic goes."""

    def __init__(self, address: Address, bodies: Sequence[bytes], requests_per_second: float) -> None:
        self._address = address
        self._bodies = itertools.cycle(bodies)
        self._interval = 1.0 / requests_per_second
        self._answers: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), daemon=True)

    def __enter__(self) -> Callers:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for requests in flight, and stop."""
        self._stopping.set()
        self._thread.join(_JOIN_SECONDS)

    @property
    def requests(self) -> int:
        """The number of requests that were answered or failed."""
        return self._answers.total()

    @property
    def failures(self) -> dict[str, int]:
        """What went wrong, and how often; empty if every answer was 200."""
        return {answer: count for answer, count in self._answers.items() if answer != str(HTTPStatus.OK.value)}

    async def _work(self) -> None:
        async with _session(self._address) as session, asyncio.TaskGroup() as asked:
            due = time.monotonic()
            while not self._stopping.is_set():
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due += self._interval
                asked.create_task(self._send(session))

    async def _send(self, session: aiohttp.ClientSession) -> None:
        self._answers[await _answer(session, self._address, next(self._bodies), {})] += 1


def send_each(address: Address, bodies: Mapping[str, bytes]) -> Counter[str]:
    """Send every request once, with its own request id, as fast as answers come; return how often each answer came."""
    return asyncio.run(_send_each(address, bodies))


async def _send_each(address: Address, bodies: Mapping[str, bytes]) -> Counter[str]:
    answers: Counter[str] = Counter()
    waiting = iter(bodies.items())
    async with _session(address) as session, asyncio.TaskGroup() as asked:
        for _ in range(_CONNECTIONS):
            asked.create_task(_send_in_turn(session, address, waiting, answers))
    return answers


async def _send_in_turn(
    session: aiohttp.ClientSession, address: Address, waiting: Iterator[tuple[str, bytes]], answers: Counter[str]
) -> None:
    for identifier, body in waiting:
        answers[await _answer(session, address, body, {REQUEST_ID_HEADER: identifier})] += 1


def _session(address: Address) -> aiohttp.ClientSession:
    headers = {"Authorization": f"Bearer {address.key}", "Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=trust())
    return aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector)


async def _answer(session: aiohttp.ClientSession, address: Address, body: bytes, headers: Mapping[str, str]) -> str:
    """The endpoint's status, or the error of the connection."""
    try:
        async with session.post(address.scoring_uri, data=body, headers=headers) as reply:
            await reply.read()
            return str(reply.status)
    except (TimeoutError, aiohttp.ClientError) as error:
        return type(error).__name__


SPAN: Final = timedelta(days=1)
# The resolution of collected timestamps; the end of a window is exclusive.
_MILLISECOND: Final = timedelta(milliseconds=1)
_KEY_CHARACTERS: Final = 12
_ERROR_LINES: Final = 15
# Rows arrive after about a second; later on a busy machine.
_PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class TrafficDay:
    """Rows to send, by request id, and a file with their outcomes."""

    ids: tuple[str, ...]
    bodies: tuple[bytes, ...]
    outcomes: Path


@dataclass(frozen=True)
class SimulatedTraffic:
    """A day's requests, their window, and the seconds that sending took; None if they were sent in an earlier run.

    The window depends only on the rows: it is the same whenever it is computed.
    """

    requests: int
    window: Window
    seconds: float | None


def make_traffic_day(project: Project, rows_of: Path, schema: Schema) -> TrafficDay:
    """Shift rows with the project's script where it has one, else as their schema allows.

    Raises MachineError if the script fails.
    """
    if project.path(SHIFT_SCRIPT).is_file():
        rows = _by_script(project, rows_of)
    else:
        rows = shifted(pl.read_parquet(rows_of), schema)
    bodies = tuple(request_bodies(rows, schema))
    digest = hashlib.sha256(b"\n".join(bodies)).hexdigest()[:_KEY_CHARACTERS]
    ids = tuple(f"day-{digest}-{number}" for number in range(rows.height))
    outcomes = private_folder(project.path(ROWS_FOLDER)) / f"shifted-{rows_of.stem}.outcomes.csv"
    target = pl.col(schema.target).alias(outcome_column(schema))
    rows.select(pl.Series(CORRELATION_ID, ids), pl.lit(0).alias(ROW), target).write_csv(outcomes)
    return TrafficDay(ids, bodies, outcomes)


def _by_script(project: Project, rows_of: Path) -> pl.DataFrame:
    """Return the rows of the script's CSV, all values as texts."""
    file = private_folder(project.path(ROWS_FOLDER)) / f"shifted-{rows_of.stem}.csv"
    script = project.required_file(SHIFT_SCRIPT)
    command = [sys.executable, str(script), "--rows-of", str(rows_of), "--out", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = tuple(done.stderr.splitlines()[-_ERROR_LINES:])
        raise MachineError(f"{script} failed with exit code {done.returncode}", "Correct the script.", lines)
    return pl.read_csv(file, infer_schema=False)


def simulate_traffic(clients: WorkspaceClients, stage_name: StageName, live: Live, day: TrafficDay) -> SimulatedTraffic:
    """Send a day's rows, and wait until they are collected; nothing if they already are.

    Raises RequestRefused if a request fails, WorkspaceError if rows are not collected.
    """
    client, stage = clients.stage(stage_name), clients.project.settings.stage(stage_name)
    known = _collected(clients, stage_name, day)
    if len(known) == len(day.ids):
        return SimulatedTraffic(len(day.ids), _window_of(known.values()), None)
    say(f"sending a day of shifted inputs: {len(day.ids):,} requests to {stage.online_endpoint}")
    begun = time.monotonic()
    missing = {name: body for name, body in zip(day.ids, day.bodies, strict=True) if name not in known}
    answers = send_each(address_of(client, stage.online_endpoint, live.scoring_uri), missing)
    seconds = time.monotonic() - begun
    wrong = {answer: count for answer, count in answers.items() if answer != str(HTTPStatus.OK.value)}
    if wrong:
        told = ", ".join(f"{answer} {count:,} times" for answer, count in sorted(wrong.items()))
        raise RequestRefused(
            f"{stage.online_endpoint} did not answer all of a day's requests: {told}",
            "`mlops status` shows the deployments.",
        )
    for elapsed in poll():
        here = _collected(clients, stage_name, day)
        if len(here) == len(day.ids):
            return SimulatedTraffic(len(here), _window_of(here.values()), seconds)
        if elapsed > _PATIENCE_SECONDS:
            raise WorkspaceError(
                f"only {len(here):,} of {len(day.ids):,} rows were collected", "Check the log of the live deployment."
            )
    raise AssertionError("poll() never ends")


def _window_of(times: Collection[datetime]) -> Window:
    return Window(min(times), max(times) + _MILLISECOND)


def _collected(clients: WorkspaceClients, stage_name: StageName, day: TrafficDay) -> dict[str, datetime]:
    """Which requests of a day a stage has collected, from any deployment, and when."""
    client, endpoint = clients.stage(stage_name), clients.project.settings.stage(stage_name).online_endpoint
    window = Window.last(SPAN, datetime.now(UTC))
    deployments = sorted(observe(client, endpoint).deployments)
    task = task_of(read_project_schema(clients.project.root))
    found = read_collected(client, endpoint, deployments, task, window)
    mine = found.table.filter(pl.col(CORRELATION_ID).is_in(day.ids))
    return dict(mine.select(CORRELATION_ID, TIME).iter_rows())
