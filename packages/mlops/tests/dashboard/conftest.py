"""Snapshots by hand: what a page is made of, without a workspace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlops.audit.log import StageHistory
from mlops.audit.record import Event, Record, follow
from mlops.azure.service_metrics import Interval
from mlops.dashboard.page import Page, render
from mlops.dashboard.snapshot import Service, Snapshot, StageSnapshot
from mlops.endpoint.stage_status import StageStatus
from mlops.endpoint.view import Deployment, View
from mlops.settings.stages import StageName, StageOrder

ORDER = StageOrder(("dev", "staging", "prod"))

TAKEN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
Making = Callable[..., Snapshot]


@pytest.fixture(scope="session")
def make_snapshot() -> Making:
    return snapshot


@pytest.fixture(scope="session")
def page(make_snapshot: Making) -> Page:
    """The page of a plain snapshot, drawn once: drawing is what takes time."""
    return render(make_snapshot(), served=True)


def snapshot(records: int = 6, order: StageOrder = ORDER, **texts: str) -> Snapshot:
    """Stages with the same past; `texts` go wherever others can write something."""
    stages = tuple(stage(name, records, texts) for name in order)
    return Snapshot("credit-default", "credit-default", "binary_classification", TAKEN, stages)


def stage(name: StageName, records: int, texts: dict[str, str]) -> StageSnapshot:
    deployments = {
        "green": Deployment("green", texts.get("version", "2"), "sha256:" + "2" * 64, "Succeeded"),
        "blue": Deployment("blue", "1", "sha256:" + "1" * 64, "Succeeded"),
    }
    view = View(deployments, {"green": 90, "blue": 10}, tags={})
    half_hours = [TAKEN - timedelta(minutes=30 * at) for at in (3, 2, 1)]
    service = Service(tuple(Interval(begin, 100, 1, 20.0, 40.0) for begin in half_hours))
    history = StageHistory(name, tuple(log(name, records, texts)))
    return StageSnapshot(name, StageStatus(name, f"credit-default-{name}", view), None, "", history, service)


def log(name: StageName, count: int, texts: dict[str, str]) -> list[Record]:
    facts: dict[str, Any] = {
        "stage": name,
        "model": texts.get("model", "credit-default"),
        "version": texts.get("version", "2"),
        "digest": "sha256:" + "2" * 64,
        "reason": texts.get("reason", "all gates pass"),
    }
    evidence = {"state": "drift", "weighted_drift": "0.31", "rows": "9000", "drifted": texts.get("drifted", "AGE")}
    events = [
        Event(kind="gate", step="gate", verdict="passed", evidence={"roc_auc": "0.78"}, **facts),
        Event(kind="rollout", step="begin", traffic={"blue": 100}, **facts),
        Event(kind="rollout", step="traffic-10", verdict="passed", traffic={"green": 10, "blue": 90}, **facts),
        Event(kind="rollout", step="finish", verdict="passed", **facts),
        Event(kind="monitor", step="monitor", verdict="failed", evidence=evidence, **facts),
        Event(kind="rollback", step="by hand", traffic={"blue": 100}, **facts),
    ]
    records: list[Record] = []
    for number in range(count):
        time = TAKEN - timedelta(hours=count - number)
        who = texts.get("who", "ada@example.com")
        records.append(follow(records[-1] if records else None, events[number % len(events)], who, time))
    return records


@pytest.fixture
def later() -> Callable[[Snapshot], Snapshot]:
    """The same, asked a minute later."""
    return lambda before: replace(before, taken=before.taken + timedelta(minutes=1))
