"""The dashboard and retirement, on a stage in which releases went well and went back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
import yaml
from azure.ai.ml.entities import Model

from mlops.audit.log import AuditLog
from mlops.audit.record import Event
from mlops.azure.workspace import WorkspaceClients, connect_registry
from mlops.core.errors import RolloutFailed
from mlops.dashboard.serving import write_page
from mlops.endpoint.view import TAG_LEASE, TAG_OWNER
from mlops.models.registered import DIGEST_TAG
from mlops.retire.applying import apply_plan
from mlops.retire.plan import make_plan
from mlops.rollout.execute import write_change
from mlops.rollout.lease import Change, lease_from
from mlops.settings.stages import StageOrder

from .world import AT_ONCE, MODEL, PATIENCE_SECONDS, World

pytestmark = [pytest.mark.xdist_group("rollout"), pytest.mark.timeout(600)]
ORDER = StageOrder(("dev", "staging", "prod"))
AT_ONCE_GONE = {"deployment_days": 0, "model_days": 0, "keep_latest_models": 1}


@pytest.fixture
def clients(world: World) -> Iterator[WorkspaceClients]:
    """The stages, two of which have no release; what nobody needs is to go at once."""
    rules = {"format": 1, "stages": dict.fromkeys(ORDER.names, AT_ONCE_GONE)}
    nothing = yaml.safe_load(world.manifest.read_text()) | {"release": None}
    written = {"retirement": rules, **{stage: nothing for stage in ORDER.names if stage != world.stage}}
    files = {world.folder / "releases" / f"{name}.yml": document for name, document in written.items()}
    for file, document in files.items():
        file.write_text(yaml.safe_dump(document))
    yield WorkspaceClients(world.project)
    for file in files:
        file.unlink()


@pytest.fixture
def failed(world: World, clients: WorkspaceClients) -> World:
    """Version 1 is live, version 2 failed beside it, and the release was taken back."""
    world.settle("1")
    world.release("2", **AT_ONCE)
    world.fault(v2={"status": 500})
    with pytest.raises(RolloutFailed):
        world.deploy()
    world.fault()
    world.release("1", **AT_ONCE)
    return world


def test_page_shows_what_a_real_stage_went_through(failed: World, clients: WorkspaceClients) -> None:
    with failed.callers():
        result = write_page(clients, failed.folder / ".mlops" / "page")

    html = (failed.folder / ".mlops" / "page" / "dashboard.html").read_text()
    assert result.not_known == ()
    assert "rolled back" in html
    assert "smoke" in html
    assert html.count("runs no model") == 2
    # and what the endpoint answered is there, as a chart and as a table
    assert 'aria-label="Latency, milliseconds"' in html
    assert 'aria-label="Service of staging"' in html


def test_page_is_served_until_it_is_interrupted(world: World, clients: WorkspaceClients) -> None:
    # A plain process: how it ends at a signal is what is tested.
    command = [sys.executable, "-m", "mlops", "dashboard", "--port", "0", "--json"]
    process = subprocess.Popen(command, cwd=world.folder, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        link = json.loads(process.stdout.readline())["address"]

        with httpx.Client(timeout=PATIENCE_SECONDS, follow_redirects=True) as browser:
            page = browser.get(link)
            known = browser.get(page.url.join("version")).json()
        process.send_signal(signal.SIGINT)

        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.communicate()
    assert world.endpoint in page.text
    assert f'data-version="{known["version"]}"' in page.text


def test_what_failed_goes_and_what_is_live_stays(failed: World, clients: WorkspaceClients) -> None:
    # given a plan, which changes nothing
    live, gone = failed.name_of("1"), failed.name_of("2")
    planned = make_plan(clients, failed.stage)
    assert [item.name for item in planned if item.retire and item.kind == "deployment"] == [gone]
    assert gone in failed.view().deployments

    # when it is carried out
    apply_plan(clients, failed.stage, planned)

    # then
    view = failed.view()
    assert set(view.deployments) == {live}
    assert failed.live_version() == "1"
    assert TAG_OWNER not in view.tags
    (event,) = [event for event in _retired(failed) if event.step == "delete" and event.target == gone]
    assert event.version == "2"
    # and once more there is nothing left to do
    again = make_plan(clients, failed.stage)
    assert not [item for item in again if item.retire and item.kind == "deployment"]
    before = len(_retired(failed))
    apply_plan(clients, failed.stage, again)
    assert len(_retired(failed)) == before


def test_deployment_that_is_needed_again_stays(failed: World, clients: WorkspaceClients) -> None:
    # given a plan, after which somebody returned the traffic
    gone = failed.name_of("2")
    planned = make_plan(clients, failed.stage)
    write_change(failed.client, failed.endpoint, Change({gone: 100}, {}, {}))

    apply_plan(clients, failed.stage, planned)

    assert gone in failed.view().deployments
    assert failed.live_version() == "2"


def test_nothing_is_deleted_under_the_hands_of_a_rollout(failed: World, clients: WorkspaceClients) -> None:
    # given another machine that holds the endpoint
    lease = lease_from("ada@elsewhere:7:00", datetime.now(UTC))
    view = failed.view()
    tags = {**view.tags, TAG_OWNER: lease.owner, TAG_LEASE: lease.until.isoformat()}
    write_change(failed.client, failed.endpoint, Change(view.traffic, {}, tags))

    with pytest.raises(RolloutFailed, match="another rollout"):
        apply_plan(clients, failed.stage, make_plan(clients, failed.stage))

    assert len(failed.view().deployments) == 2
    assert failed.view().tags[TAG_OWNER] == lease.owner


def test_versions_of_no_use_are_archived_and_can_be_brought_back(world: World, clients: WorkspaceClients) -> None:
    # given more versions in the registry: one that a release of another stage names, one whose tags got lost there
    registry = connect_registry(world.project.settings.registry)
    package = world.folder / ".mlops" / "packages" / "1"
    for client, version in ((clients.training, "16"), *((registry, version) for version in ("16", "17", "18", "19"))):
        is_tagged = client is not registry or version != "16"
        tags = {DIGEST_TAG: f"sha256:{int(version):064x}"} if is_tagged else {}
        model = Model(name=MODEL, version=version, type="custom_model", path=str(package), tags=tags)
        client.models.create_or_update(model)
    manifest = world.folder / "releases" / "prod.yml"
    released = yaml.safe_load(world.manifest.read_text())
    released["release"]["model"] |= {"version": "17", "digest": f"sha256:{17:064x}"}
    released["release"]["source"]["stage"] = "staging"
    manifest.write_text(yaml.safe_dump(released))

    # when
    world.log.write_text("")
    command = world.begin("--apply", "--json", verb="retire")
    command.join()

    # then
    assert command.exitcode == 0, world.log.read_text()
    answer = json.loads(world.log.read_text().splitlines()[-1])
    reasons = {item["version"]: item["reason"] for item in answer["items"] if item["kind"] == "model"}
    assert reasons["17"] == "released to prod"
    assert "newest" in reasons["19"]
    assert "no digest" in reasons["1"]
    assert {item["version"] for item in answer["items"] if item["retire"] and item["kind"] == "model"} == {"16", "18"}
    assert {"16", "18"}.isdisjoint(model.version for model in registry.models.list(name=MODEL))
    assert {"16", "18"} <= {event.version for event in _retired(world) if event.step == "archive"}
    registry.models.restore(name=MODEL, version="18")
    assert "18" in {model.version for model in registry.models.list(name=MODEL)}


def _retired(world: World) -> list[Event]:
    records, breaks = AuditLog(world.client).read()
    assert not breaks
    return [record.event for record in records if record.event.kind == "retirement"]
