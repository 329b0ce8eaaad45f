"""`mlops demo --drift`: other callers, an event that is really delivered, one training, a proposal that says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import MLClient
from prefork_programs import run_module

from mlops.audit.log import AuditLog
from mlops.audit.record import Record
from mlops.audit.retraining_policy import DATA_DESCRIPTION, begun_for
from mlops.azure.collected_data import find_collections
from mlops.azure.workspace import WorkspaceClients, connect
from mlops.demo.drift import listening, subscribed
from mlops.endpoint.view import observe
from mlops.models.registered import fetch_package, read_provenance
from mlops.monitoring.run import EVENT_KIND, monitor
from mlops.retraining.begin import Begun, begin, read_trigger
from mlops.rollout.deploy import deploy
from mlops.settings.project import load_project
from model_package.collected.window import Window
from model_package.rows.collected_columns import INPUTS, OUTPUTS

from .conftest import Lifecycle, git

# Its fixture counts as well: four demos in all, where each takes minutes on a machine that does other things.
pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.timeout(1_800)]
REQUESTS = 2_000
PATIENCE_SECONDS = 60
# It does what four commands do, one after the other.
DEMO_SECONDS = 700


@dataclass(frozen=True)
class Told:
    """The demo's answer as a program reads it, and what it told a person the second time."""

    first: dict[str, Any]
    again: str
    scratch: Path

    @property
    def branch(self) -> str:
        """The challenger's proposal."""
        return self.first["drift"]["retraining"]["promotion"]["branch"]

    @property
    def report(self) -> str:
        """The report in the proposal's branch, as a page."""
        version = self.first["drift"]["retraining"]["model"]["version"]
        file = f"releases/reports/staging-credit-default-{version}/report.html"
        return git(self.scratch, "show", f"origin/{self.branch}:{file}")


@pytest.fixture(scope="module")
def told(lifecycle: Lifecycle) -> Iterator[Told]:
    words = ("demo", "--drift", "--data", str(lifecycle.data))
    runs = []
    for more in (("--json",), ()):
        done = run_module("mlops", *words, *more, folder=lifecycle.clone.folder, variables={}, timeout=DEMO_SECONDS)
        assert done.returncode == 0, done.stderr
        runs.append(done.stdout)
    scratch = lifecycle.clone.folder / ".mlops" / "demo" / "repository"
    first = json.loads(runs[0])
    yield Told(first, runs[1], scratch)
    # The other tests' callers, newest data and model of dev are those that the first demo left.
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lifecycle.variables.items():
            patch.setenv(name, value)
        leave_as_it_was(WorkspaceClients(lifecycle.clone.project), first["drift"]["retraining"])


def leave_as_it_was(clients: WorkspaceClients, retraining: dict[str, Any]) -> None:
    settings, client = clients.project.settings, clients.stage("prod")
    for deployment in observe(client, settings.stage("prod").online_endpoint).deployments:
        for name in (INPUTS, OUTPUTS):
            for place in find_collections(client, settings.stage("prod").online_endpoint, deployment, name):
                for blob in place.container.list_blobs(name_starts_with=place.folder):
                    place.container.delete_blob(blob.name)
    clients.training.data.archive(settings.data, clients.training.jobs.get(retraining["job"]).tags["data_version"])
    deploy(clients.training, clients.project, "dev", "1")


@pytest.fixture
def scratch_clients(told: Told, client: MLClient) -> WorkspaceClients:
    """The stages as the scratch repository's project.yml names them, with a topic."""
    return WorkspaceClients(load_project(told.scratch))


def begun_of(client: MLClient, cause: Record) -> Record:
    found = begun_for(AuditLog(client).read()[0], cause)
    assert found
    return found


def cause_of(clients: WorkspaceClients, event: dict[str, Any]) -> Record:
    """The record of prod's audit log that an event points to."""
    (found,) = [each for each in AuditLog(clients.stage("prod")).read()[0] if each.hash() == event["id"]]
    return found


def test_the_monitor_sees_the_day_and_shows_what_drifted(told: Told) -> None:
    drift = told.first["drift"]
    found = drift["monitor"]

    assert drift["played"]["requests"] == REQUESTS
    assert (found["state"], found["audit"]["new"]) == ("drift", True)
    assert {"PAY_0", "PAY_2"} <= set(found["drifted"])
    assert {"weighted_drift", "roc_auc"} <= set(found["retrain"])
    page = Path(found["report"]).read_text()
    assert page.count("<img") >= 6
    assert 'alt="feature_1"' in page


def test_the_event_that_was_delivered_points_to_the_verdict(told: Told, scratch_clients: WorkspaceClients) -> None:
    event = told.first["drift"]["event"]

    cause = cause_of(scratch_clients, event)

    assert event["type"] == "mlops.DriftFound"
    assert event["subject"] == f"stages/prod/records/{cause.number}"
    assert cause.number == told.first["drift"]["monitor"]["audit"]["record"]


def test_a_model_trained_on_what_was_asked_is_proposed_and_says_why(
    told: Told, scratch_clients: WorkspaceClients, client: MLClient
) -> None:
    drift, retraining = told.first["drift"], told.first["drift"]["retraining"]
    cause = cause_of(scratch_clients, drift["event"])
    begun = begun_of(client, cause)

    # the proposal stands there with the reason in its report
    assert retraining["promotion"]["promotes"]
    assert told.first["drift"]["waiting"] == [told.branch]
    page = told.report
    assert "Why it was trained" in page
    assert "features that drifted: PAY_0" in page
    assert f"Found in record prod/{cause.number} of the audit log" in page
    assert "rows that prod collected from" in page

    # and what it was trained on says where it comes from, in the log, at the data, and in the package
    data_description, version = begun.event.evidence[DATA_DESCRIPTION], begun.event.evidence["data"]
    data = client.data.get("credit-default", version)
    assert data.description == data_description == retraining["data_description"]
    assert {"stage", "window", "models", "labels", "history", "labelled", "without_outcome"} <= set(data.tags)
    assert int(data.tags["labelled"].replace(",", "")) + int(data.tags["known"].replace(",", "")) == REQUESTS
    package, _ = fetch_package(client, scratch_clients.project, "credit-default", retraining["model"]["version"])
    assert read_provenance(package).data.version == version
    # dev runs it, prod what it ran before
    stages = told.first["stages"]
    assert stages["dev"]["digest"] == retraining["model"]["digest"] != stages["prod"]["digest"]


def test_run_again_it_finds_the_first_verdict_and_starts_no_second_training(
    told: Told, scratch_clients: WorkspaceClients, client: MLClient
) -> None:
    # people are shown the drift as bars, and what the first run of the demo made of it
    event = told.first["drift"]["event"]
    assert "sent in an earlier run" in told.again
    assert "PAY_0 drifted: PSI" in told.again
    assert "training │ window" in told.again
    assert event["subject"] in told.again
    assert told.first["drift"]["retraining"]["job"] in told.again
    assert told.branch in told.again
    assert (
        len([each for each in AuditLog(scratch_clients.stage("prod")).read()[0] if each.event.kind == EVENT_KIND]) == 1
    )

    # and the event of the first time, delivered once more, begins nothing more
    records = AuditLog(client).read()[0]
    cause = cause_of(scratch_clients, event)
    pointer = read_trigger(f"prod/{cause.number}")
    found = begin(scratch_clients, pointer, datetime.now(UTC))
    assert isinstance(found, Begun)
    assert found.job == told.first["drift"]["retraining"]["job"]
    assert AuditLog(client).read()[0] == records


def test_two_monitors_at_once_and_one_run_again_tell_one_event(
    lifecycle: Lifecycle, told: Told, scratch_clients: WorkspaceClients
) -> None:
    # given a verdict that is noted, though nobody knows whether its monitor lived to tell of it
    project, stage = scratch_clients.project, scratch_clients.project.settings.stage("prod")
    log = AuditLog(scratch_clients.stage("prod"))
    last = [each for each in log.read()[0] if each.event.kind == EVENT_KIND][-1]
    facts = last.event.evidence
    window = Window(datetime.fromisoformat(facts["since"]), datetime.fromisoformat(facts["until"]))
    (outcomes,) = (lifecycle.clone.folder / ".mlops" / "rows").glob("*.outcomes.csv")

    # when two begin on the same window
    with listening() as handler, subscribed(stage, handler.address), ThreadPoolExecutor(2) as threads:
        results = list(
            threads.map(lambda _: monitor(connect(stage), project, "prod", window, outcomes, None), range(2))
        )
        heard = [handler.next(PATIENCE_SECONDS) for _ in results]

    # then nothing is noted again, and what is told again is the same event
    assert [(each.record, each.is_new) for each in results] == [(last.number, False)] * 2
    assert [each and each["id"] for each in heard] == [last.hash()] * 2
    assert json.dumps(heard[0]) == json.dumps(heard[1])
