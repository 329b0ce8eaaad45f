"""`mlops retrain` between real stages where nothing comes of it; what does come of it, test_drift.py shows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from azure.ai.ml import MLClient

from mlops.audit.announcement import announcement_of
from mlops.audit.log import AuditLog
from mlops.audit.record import Event, Record
from mlops.audit.retraining_policy import NotBegun, is_begun
from mlops.core.errors import InputError
from mlops.endpoint.view import live_model
from mlops.models.data_asset import DataVersion, ensure_data
from mlops.retraining.begin import Begun, TriggerReference, begin, read_trigger
from mlops.rollout.deploy import deploy

from .conftest import ROOT, Clone, Lifecycle, Team, git

pytestmark = pytest.mark.xdist_group("e2e")
DRIFTED = "LIMIT_BAL"
# What infra's handler makes of an event for GitHub; its own tests see it do so.
HANDED_ON = json.loads((ROOT / "infra" / "tests" / "contract" / "handed_on.json").read_text())["github"]
# Enough to train on; that nothing can be learned from them is what matters.
NOISE_ROWS = 4_000
ROWS_WANTED = {
    "window_days": 7,
    "label_delay_days": 0,
    "min_rows": 500,
    "min_rows_per_class": 50,
    "max_rows": 10_000,
    "include_history": "true",
    "exclude_known_rows": "true",
}


def drift_in_prod(team: Team, since: str) -> Record:
    """What the monitor notes of a window."""
    client = team.clients.stage("prod")
    live = live_model(client, team.clients.project.settings.stage("prod"))
    assert live
    event = Event(
        kind="monitor",
        stage="prod",
        step="monitor",
        model=team.clients.project.settings.model,
        version=live.version,
        digest=live.digest,
        target=live.deployment,
        verdict="failed",
        reason=f"DRIFT: what {team.clients.project.settings.model} {live.version} meets in prod has changed",
        evidence={
            "state": "drift",
            "retrain": "weighted_drift",
            "weighted_drift": "0.61",
            "drifted": DRIFTED,
            "since": since,
            "until": "2026-03-08T00:00:00+00:00",
        },
    )
    return AuditLog(client).append(event)


@pytest.fixture
def hasty(team: Team) -> Team:
    """A team that waits for nothing, whatever other tests have begun."""
    team.edit("releases/retraining.yml", "cool_down_hours: 24", "cool_down_hours: 0")
    return team


@pytest.fixture
def noise(hasty: Team, client: MLClient, tmp_path: Path) -> Iterator[DataVersion]:
    """Newer data whose outcomes are chance."""
    file = tmp_path / "noise.csv"
    generator = ROOT / "data" / "generate_sample.py"
    command = [sys.executable, str(generator), "--rows", str(NOISE_ROWS), "--seed", "23", "--out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    rows = pl.read_csv(file)
    rows.with_columns(pl.col("default").shuffle(seed=5)).write_csv(file)
    project = hasty.clients.project
    data, _ = ensure_data(client, project.settings.data, file)
    yield data
    # The other tests' newest data and dev's model are what the demo left.
    client.data.archive(data.name, data.version)
    deploy(client, project, "dev", "1")


def handed_on(drift: Record) -> str:
    """What `retrain.yml` gives the command, of an event that has gone through the handler."""
    announced = announcement_of(drift, "/workspace")
    assert announced
    event, known = announced.model_dump(mode="json"), HANDED_ON["client_payload"]
    data = {name: event["data"][name] for name in known["data"]}
    return json.dumps({name: event[name] for name in known} | {"data": data})


def begun_of(client: MLClient) -> list[Record]:
    return [each for each in AuditLog(client).read()[0] if is_begun(each.event)]


def test_nothing_is_trained_because_of_what_is_not_in_the_log(hasty: Team, client: MLClient) -> None:
    # given a record, and data that the live model was trained on
    drift = drift_in_prod(hasty, "2026-02-01")

    # then what points to no record, or to another one, is refused
    for wrong in (TriggerReference("prod", 9999), TriggerReference("prod", drift.number, "sha256:" + "0" * 64)):
        with pytest.raises(InputError, match=r"no record \d+ of this trigger"):
            begin(hasty.clients, wrong, datetime.now(UTC))

    # and without newer data nothing begins
    before = begun_of(client)
    found = begin(hasty.clients, TriggerReference("prod", drift.number, drift.hash()), datetime.now(UTC))
    assert isinstance(found, NotBegun)
    assert "there is no newer data" in found.reason
    assert begun_of(client) == before


def test_too_few_known_outcomes_begin_nothing_and_move_nothing(hasty: Team, client: MLClient, tmp_path: Path) -> None:
    # given a team that trains on what was asked, and one outcome of an unknown request
    rows = "  ".join(("", *(f"{name}: {value}\n" for name, value in ROWS_WANTED.items())))
    hasty.edit("releases/retraining.yml", "\ndata: newest\n", f"\ndata:\n{rows}")
    file = tmp_path / "outcomes.csv"
    file.write_text("correlation_id,row,default\nnobody,0,1\n")
    project = hasty.clients.project
    labels, _ = ensure_data(hasty.clients.stage("prod"), project.settings.labels, file)
    drift = drift_in_prod(hasty, "2026-03-07")
    before = {each.version for each in client.data.list(project.settings.data)}, begun_of(client)

    found = begin(hasty.clients, TriggerReference("prod", drift.number), datetime.now(UTC))

    assert isinstance(found, NotBegun)
    # How many rows there are depends on who asked before; of none is the outcome known.
    assert "there are too few rows to train on" in found.reason
    assert "rows 0 can be used" in found.reason
    assert ({each.version for each in client.data.list(project.settings.data)}, begun_of(client)) == before
    hasty.clients.stage("prod").data.archive(labels.name, labels.version)


def test_a_newer_model_that_fails_its_gates_is_reported_and_not_proposed(
    noise: DataVersion, hasty: Team, lifecycle: Lifecycle, client: MLClient
) -> None:
    drift = drift_in_prod(hasty, "2026-03-01")

    # when an event starts a training on what teaches nothing
    event = handed_on(drift)
    done = Clone(hasty.folder).mlops("retrain", "--because", event, "--json", **lifecycle.variables)

    # then that is an answer with its reasons and a report, and no branch
    assert done.returncode == 1, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["begun"]
    promotion = answer["promotion"]
    assert promotion["promotes"] is False
    assert "roc_auc" in promotion["blocking"]
    assert promotion["branch"] is None
    assert promotion["pull_request"] is None
    assert "Why it was trained" in Path(promotion["report"]).read_text()
    assert "promote/" not in git(hasty.remote, "branch", "--list")

    # and both are recorded: the training that counts, and the gate that blocked
    (begun,) = [each for each in begun_of(client) if each.event.evidence["cause"] == drift.hash()]
    assert begun.event.evidence["data"] == noise.version
    blocked = AuditLog(hasty.clients.stage("staging")).read()[0][-1].event
    assert (blocked.kind, blocked.step, blocked.verdict) == ("promotion", "blocked", "failed")

    # and the same event begins nothing more, on either system
    for trigger in (event, f"prod/{drift.number}"):
        again = begin(hasty.clients, read_trigger(trigger), datetime.now(UTC))
        assert isinstance(again, Begun)
        assert (again.job, again.record) == (begun.event.evidence["job"], begun.number)
