"""Measures how long the dashboard takes with a year of history: 365 releases, 10,000 records, real Chromium.

Nothing is asked of a workspace: what is measured is the way from what was collected to a page that can be read.

    uv run python benchmarks/dashboard.py
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.figures import Figure, report

from mlops.audit.log import StageHistory
from mlops.audit.record import Event, Record, follow
from mlops.azure.service_metrics import Interval
from mlops.dashboard.page import Page, render
from mlops.dashboard.serving import DashboardServer
from mlops.dashboard.snapshot import Service, Snapshot, StageSnapshot
from mlops.endpoint.stage_status import StageStatus
from mlops.endpoint.view import Deployment, View
from mlops.settings.stages import StageName

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "packages" / "mlops" / "tests" / "browser"))
from chromium import PROGRAM, open_tab

from mlops.settings.stages import StageOrder

ORDER = StageOrder(("dev", "staging", "prod"))

RELEASES = 365
RECORDS = 10_000
LOAD_SECONDS = 1.0
RENDER_SECONDS = 3.0
RUNS = 5
DAYS = 365
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STEPS = ("begin", "create", "smoke", "load", "mirror", "traffic-5", "traffic-25", "traffic-50", "traffic-100", "finish")
MEASURES = ("weighted_drift", "largest_feature_drift", "score_drift", "roc_auc", "failure_share", "brier")
# How the page's own clock tells it: from the request until all of it is there.
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def main() -> int:
    """Measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if not PROGRAM.is_file():
        sys.exit(f"{PROGRAM} is not there: install Debian's package chromium")
    snapshot = a_year()
    records = sum(len(stage.history.records) for stage in snapshot.stages)
    render(snapshot, served=True)
    begun = time.perf_counter()
    page = render(snapshot, served=True)
    rendered = time.perf_counter() - begun
    loads = load_seconds(page)
    figures = [
        Figure("the page, from collected to rendered", rendered, "s", RENDER_SECONDS, note=f"{records:,} records"),
        Figure("the page in a browser, request to loaded", statistics.median(loads), "s", LOAD_SECONDS),
        Figure("its size", len(page.html.encode()) / 1e6, "MB"),
    ]
    return report("Dashboard", figures, as_json=arguments.json)


def load_seconds(page: Page) -> list[float]:
    """Load a page in a browser, several times, each time as if it were new."""
    with DashboardServer(0, page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with open_tab() as tab:
            seconds = []
            tab.page.goto(server.link())
            for _ in range(RUNS):
                tab.page.goto("about:blank")
                tab.page.goto(server.address)
                seconds.append(tab.page.evaluate(LOADED) / 1000)
        server.shutdown()
    return seconds


def a_year() -> Snapshot:
    """What a team leaves in a year: a release a day through one stage or another, monitoring, gates."""
    end = BEGIN + timedelta(days=DAYS)
    stages = tuple(_stage(name, index, end) for index, name in enumerate(ORDER.names))
    return Snapshot("example", "example", "binary_classification", end, stages)


def _stage(name: StageName, index: int, end: datetime) -> StageSnapshot:
    releases = RELEASES // len(ORDER.names) + (index < RELEASES % len(ORDER.names))
    wanted = RECORDS // len(ORDER.names) + (index < RECORDS % len(ORDER.names))
    records: list[Record] = []
    events = list(_events(name, releases, wanted))
    for number, event in enumerate(events):
        time = BEGIN + timedelta(days=DAYS * number / len(events))
        records.append(follow(records[-1] if records else None, event, "ada@example.com", time))
    deployments = {
        colour: Deployment(colour, str(releases - back), f"sha256:{releases - back:064x}", "Succeeded")
        for back, colour in enumerate(("green", "blue"))
    }
    view = View(deployments, {"green": 100, "blue": 0}, scoring_uri="", tags={})
    intervals = tuple(
        Interval(end - timedelta(minutes=30 * (48 - at)), 900 + 10 * at, at % 7, 20.0 + at % 5, 40.0 + at % 9)
        for at in range(48)
    )
    status = StageStatus(name, f"example-{name}", view)
    return StageSnapshot(name, status, None, "", StageHistory(name, tuple(records)), Service(intervals))


def _events(stage: StageName, releases: int, wanted: int) -> Iterator[Event]:
    """A gate and the steps of a rollout for each release, and verdicts of monitoring for the rest."""
    per_release = 1 + len(STEPS)
    windows = wanted - releases * per_release
    done = 0
    for release in range(1, releases + 1):
        facts: dict[str, Any] = {
            "stage": stage,
            "model": "example",
            "version": str(release),
            "digest": f"sha256:{release:064x}",
        }
        evidence = dict.fromkeys(MEASURES, f"{0.1 + release % 9 / 50}")
        yield Event(kind="gate", step="gate", verdict="passed", reason="all gates pass", evidence=evidence, **facts)
        for step in STEPS:
            reason = f"{step} kept its service level: 200 requests, 0 failed, p95 21 ms, p99 40 ms"
            yield Event(kind="rollout", step=step, verdict="passed", reason=reason, traffic={"green": 50}, **facts)
        due = windows * release // releases
        for window in range(done, due):
            wave = math.sin(window / 60 + ORDER.names.index(stage))
            found = evidence | {"weighted_drift": f"{0.1 + 0.05 * wave}", "state": "healthy", "rows": "12000"}
            yield Event(kind="monitor", step="monitor", verdict="passed", reason="HEALTHY", evidence=found, **facts)
        done = due


if __name__ == "__main__":
    sys.exit(main())
