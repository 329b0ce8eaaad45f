"""`mlops retrain` from a verdict on prod to a promotion that says why, between real stages."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from azure.ai.ml import MLClient

from mlops.announcing.announcement import announcement_of
from mlops.audit.log import AuditLog
from mlops.audit.record import Event, Record
from mlops.errors import InputError
from mlops.promotion.live import live_model
from mlops.retraining.begin import Begun, begin
from mlops.retraining.permission import NotBegun, is_begun
from mlops.retraining.pointer import Pointer, read_pointer
from mlops.rollout.deploy import deploy
from mlops.training.data_asset import DataVersion, ensure_data

from .conftest import ROOT, ROWS, Clone, Lifecycle, Team, git

pytestmark = pytest.mark.xdist_group("e2e")
MOVED = "LIMIT_BAL"
# What infra's handler makes of an event for GitHub; its own tests see it do so.
HANDED_ON = json.loads((ROOT / "infra" / "tests" / "contract" / "handed_on.json").read_text())["github"]
# So many that the gates can tell that what was trained on them is not worse.
NEWER_ROWS = 2 * ROWS


@dataclass(frozen=True)
class Stale:
    """A prod in which drift was found, and newer data to train on."""

    team: Team
    drift: Record
    data: DataVersion


def drift_in_prod(team: Team, since: str) -> Record:
    """What the monitor notes of a window."""
    client = team.places.stage("prod")
    live = live_model(client, team.places.project.settings.stages.prod)
    assert live
    event = Event(
        kind="monitor",
        stage="prod",
        step="monitor",
        model=team.places.project.settings.model,
        version=live.version,
        digest=live.digest,
        target=live.deployment,
        verdict="failed",
        reason=f"DRIFT: what {team.places.project.settings.model} {live.version} meets in prod has changed",
        evidence={
            "state": "drift",
            "retrain": "weighted_drift",
            "weighted_drift": "0.61",
            "moved": MOVED,
            "since": since,
        },
    )
    return AuditLog(client).append(event)


@pytest.fixture
def stale(team: Team, client: MLClient, tmp_path: Path) -> Iterator[Stale]:
    drift = drift_in_prod(team, "2026-03-01")
    file = tmp_path / "newer.csv"
    generator = ROOT / "data" / "generate_sample.py"
    command = [sys.executable, str(generator), "--rows", str(NEWER_ROWS), "--seed", "23", "--out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    project = team.places.project
    data, _ = ensure_data(client, project.settings.data, file)
    yield Stale(team, drift, data)
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


def test_nothing_is_trained_because_of_what_is_not_in_the_log(team: Team, client: MLClient) -> None:
    # given a record, and data that the live model was trained on
    drift = drift_in_prod(team, "2026-02-01")

    # then what points to no record, or to another one, is refused
    for wrong in (Pointer("prod", 9999), Pointer("prod", drift.number, "sha256:" + "0" * 64)):
        with pytest.raises(InputError, match="no such record"):
            begin(team.places, wrong, datetime.now(UTC))

    # and without newer data nothing begins
    found = begin(team.places, Pointer("prod", drift.number, drift.hash()), datetime.now(UTC))
    assert isinstance(found, NotBegun)
    assert "there are no newer data" in found.reason
    assert begun_of(client) == []


def test_drift_becomes_a_promotion_that_says_why_and_no_second_one(
    stale: Stale, lifecycle: Lifecycle, client: MLClient
) -> None:
    team, drift = stale.team, stale.drift
    clone = Clone(team.folder)

    # when an event starts it
    event = handed_on(drift)
    done = clone.mlops("retrain", "--because", event, **lifecycle.variables)

    # then the challenger stands there with its reason
    assert done.returncode == 0, done.stdout + done.stderr
    git(team.folder, "fetch", "-q")
    (branch,) = [each.strip() for each in git(team.folder, "branch", "-r").splitlines() if "promote/staging" in each]
    names = git(team.folder, "ls-tree", "-r", "--name-only", branch).splitlines()
    (report,) = [name for name in names if name.endswith(".html") and "staging" in name]
    page = git(team.folder, "show", f"{branch}:{report}")
    assert "Why it was trained" in page
    assert f"features that moved: {MOVED}" in page

    # and the same event begins nothing more, on either system; another one has to wait
    (begun,) = begun_of(client)
    for told in (event, f"prod/{drift.number}"):
        again = begin(team.places, read_pointer(told), datetime.now(UTC))
        assert isinstance(again, Begun)
        assert (again.job, again.record) == (begun.event.evidence["job"], begun.number)
    later = begin(team.places, Pointer("prod", drift_in_prod(team, "2026-03-02").number), datetime.now(UTC))
    assert isinstance(later, NotBegun)
    assert "cool_down_hours" in later.reason
    assert begun_of(client) == [begun]
    assert client.jobs.get(begun.event.evidence["job"]).tags["data_version"] == stale.data.version
