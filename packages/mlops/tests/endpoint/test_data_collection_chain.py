"""From a caller's request to a table: the real deployment.yml, Microsoft's server, Azure's library, and storage."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import AzureBlobDatastore, Data, Model

from azureml_emulator.testing import running_emulator
from mlops.azure.collected_data import find_collections, read_collected
from mlops.azure.workspace import connect
from mlops.endpoint.client import SYNTHETIC_HEADER, Address, address_of, call
from mlops.endpoint.view import observe
from mlops.promotion.gate_run import recent_inputs
from mlops.rollout.deployment_files import collect_without_sidecar, load_deployment, load_endpoint
from mlops.rollout.plan import Plan
from mlops.settings.project import load_project, read_project_schema
from model_package.collected.newest import NewestRows
from model_package.collected.window import Window
from model_package.tasks import task_of

pytestmark = pytest.mark.xdist_group("data collection")
ROOT = Path(__file__).parents[4]
PATIENCE_SECONDS = 60.0
GOOD = {"age": 40, "income": 1200.5, "kind": 2}
HOUR = timedelta(hours=1)
TASK = task_of(read_project_schema(ROOT))


@dataclass(frozen=True)
class Served:
    """One deployment of the tiny model, made of the project's own files."""

    client: MLClient
    endpoint: str
    address: Address

    def ask(self, rows: list[dict[str, float]], headers: dict[str, str]) -> int:
        """Ask for rows; the status of the answer."""
        return call(self.address, json.dumps({"input_data": rows}).encode(), "blue", headers).status

    def read(self) -> NewestRows:
        """The data collected in the last hour."""
        return read_collected(self.client, self.endpoint, ["blue"], TASK, Window.last(HOUR, datetime.now(UTC)))

    def until(self, enough: Callable[[NewestRows], bool]) -> NewestRows:
        """Read until there is enough."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            found = self.read()
            if enough(found):
                return found
            time.sleep(0.1)
        raise AssertionError(f"not within {PATIENCE_SECONDS} s: {self.read()}")

    def store(self, deployment: str, collection: str, files: dict[str, bytes], version: str = "1") -> None:
        """Put files where a deployment of this name would have them, with the data asset that its making registers."""
        folder = f"modelDataCollector-{version}/{self.endpoint}/{deployment}/{collection}"
        asset = f"{self.endpoint}-{deployment}-{collection}"
        path = f"azureml://datastores/workspaceblobstore/paths/{folder}"
        self.client.data.create_or_update(Data(name=asset, version=version, path=path))
        (place,) = (
            place
            for place in find_collections(self.client, self.endpoint, deployment, collection)
            if place.folder == folder
        )
        for name, content in files.items():
            place.container.upload_blob(f"{folder}/{name}", content)


@pytest.fixture(scope="module")
def served(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    before = dict(os.environ)
    with running_emulator(tmp_path_factory.mktemp("collection") / "state") as emulator:
        os.environ.update(emulator.variables)
        # The SDK remembers the last cloud in a variable; it must not come from, or reach, other tests.
        os.environ.pop("AZUREML_CURRENT_CLOUD", None)
        project = load_project(ROOT)
        stage = project.settings.stage("staging")
        client = connect(stage)
        model = client.models.create_or_update(Model(name="tiny", version="7", type="custom_model", path=str(package)))
        endpoint = client.online_endpoints.begin_create_or_update(load_endpoint(project, stage)).result()
        plan = Plan(model="tiny", version="7", digest="")
        deployment = load_deployment(project, stage, "blue", plan, f"azureml:{model.name}:{model.version}", "1")
        client.online_deployments.begin_create_or_update(deployment).result()
        yield Served(
            client, stage.online_endpoint, address_of(client, stage.online_endpoint, endpoint.scoring_uri or "")
        )
    os.environ.clear()
    os.environ.update(before)


def test_collected_requests_and_answers_can_be_read(served: Served, expected_probability: Callable) -> None:
    # given requests that are not collected: one of the project's own, and one that cannot be scored
    assert served.ask([GOOD], {SYNTHETIC_HEADER: "smoke", "x-request-id": "synthetic"}) == 200
    assert served.ask([{"age": 40}], {"x-request-id": "refused"}) == 400

    # when a caller asks twice, the second time for two rows
    begun = datetime.now(UTC)
    assert served.ask([GOOD], {"x-request-id": "first"}) == 200
    assert served.ask([GOOD | {"age": 50}, GOOD | {"kind": 4}], {"x-request-id": "second"}) == 200
    found = served.until(lambda found: found.table.height >= 3 and not found.unanswered)

    # then every row is there with its answer
    assert found.features == ("age", "income", "kind")
    rows = {(row["correlation_id"], row["row"]): row for row in found.table.to_dicts()}
    assert set(rows) == {("first", 0), ("second", 0), ("second", 1)}
    last = rows["second", 1]
    assert (last["age"], last["income"], last["kind"]) == (40, 1200.5, 4)
    assert last["probability"] == pytest.approx(expected_probability(40, 1200.5, 4), abs=1e-6)
    assert (last["decision"], last["model_version"], last["deployment"]) == (1, "7", "blue")
    assert begun - timedelta(seconds=1) <= rows["first", 0]["time"] <= rows["second", 0]["time"] <= datetime.now(UTC)
    assert found.notes == ()
    # and the gates get the same rows
    recent = recent_inputs(served.client, served.endpoint, observe(served.client, served.endpoint), TASK, days=1)
    assert recent.rows is not None
    assert (recent.rows.height, recent.problem) == (3, "")


def test_granian_collects_the_same_as_its_own_identity(served: Served, expected_probability: Callable) -> None:
    # given the same model in a custom container, beside which no collector runs
    project = load_project(ROOT)
    granian = project.model_copy(update={"settings": project.settings.model_copy(update={"server": "granian"})})
    stage = granian.settings.stage("staging")
    deployment = load_deployment(
        granian, stage, "fast", Plan(model="tiny", version="7", digest=""), "azureml:tiny:7", "1"
    )
    variables = collect_without_sidecar(served.client, stage, "fast")
    deployment.environment_variables = {**deployment.environment_variables, **variables, "WORKER_COUNT": "1"}
    served.client.online_deployments.begin_create_or_update(deployment).result()

    # when a caller asks
    for identifier, rows in (("one", [GOOD]), ("two", [GOOD | {"age": 50}, GOOD | {"kind": 4}])):
        body = json.dumps({"input_data": rows}).encode()
        assert call(served.address, body, "fast", {"x-request-id": identifier}).status == 200
    body = json.dumps({"input_data": [GOOD]}).encode()
    assert call(served.address, body, "fast", {SYNTHETIC_HEADER: "smoke"}).status == 200

    # then its rows are read as those of Azure's collector, also those that were waiting when it stopped
    served.client.online_deployments.begin_delete(name="fast", endpoint_name=served.endpoint).result()
    found = read_collected(served.client, served.endpoint, ["fast"], TASK, Window.last(HOUR, datetime.now(UTC)))
    rows = {(row["correlation_id"], row["row"]): row for row in found.table.to_dicts()}
    assert set(rows) == {("one", 0), ("two", 0), ("two", 1)}
    last = rows["two", 1]
    assert (last["age"], last["income"], last["kind"], last["model_version"]) == (40, 1200.5, 4, "7")
    assert last["probability"] == pytest.approx(expected_probability(40, 1200.5, 4), abs=1e-6)
    assert (found.notes, found.unanswered) == ((), 0)


def event(number: int, moment: datetime, **row: object) -> bytes:
    """A line as the collector writes it, of one request with one row."""
    identity = {"correlation_id": f"request-{number}", "row": 0, "time": moment.isoformat()}
    return json.dumps({"specversion": "1.0", "data": [{**row, **identity}]}).encode() + b"\n"


def answer(number: int, moment: datetime) -> bytes:
    return event(number, moment, probability=0.25, decision=0, model_version="3")


def test_damaged_and_misplaced_files_are_counted_and_the_rest_is_read(served: Served) -> None:
    # given files around midnight, written while the clock of a server was ahead
    noon = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)
    window = Window(noon - HOUR, noon)
    ahead = event(5, noon - timedelta(minutes=45), age=5)
    served.store(
        "green",
        "model_inputs",
        {
            "2026/03/02/00/one.jsonl": event(1, noon - timedelta(minutes=20), age=1) + event(9, noon, age=9),
            "2026/03/01/23/one.jsonl": event(2, noon - timedelta(minutes=50), age=2),
            # the same again, and a line that is being written
            "2026/03/01/23/two.jsonl": event(2, noon - timedelta(minutes=50), age=2) + event(3, noon, age=3)[:40],
            # filed an hour late
            "2026/03/02/01/one.jsonl": ahead,
            "2026/03/02/00/empty.jsonl": b"",
            # outside these hours, and not a file of events
            "2026/03/01/20/one.jsonl": event(4, noon - timedelta(minutes=30), age=4),
            "2026/03/02/00/raw.bin": b"\x00",
        },
    )
    answers = {"2026/03/02/00/one.jsonl": answer(1, noon), "2026/03/01/23/one.jsonl": answer(2, noon - HOUR / 2)}
    served.store("green", "model_outputs", answers)

    # and what it collected while the stage had another datastore
    served.store("green", "model_inputs", {"2026/03/02/00/old.jsonl": event(6, noon - HOUR, age=6)}, version="before")

    # when
    found = read_collected(served.client, served.endpoint, ["blue", "green", "never-made"], TASK, window)

    # then
    assert found.table.select("age", "probability").rows() == [(1.0, 0.25), (5.0, None), (2.0, 0.25), (6.0, None)]
    assert found.table["deployment"].unique().to_list() == ["green"]
    assert (found.found.broken, found.found.repeated, found.unanswered) == (1, 1, 2)
    assert "1 collected lines or rows are half-written" in " ".join(found.notes)
    # and only the newest when fewer are asked for
    newest = read_collected(served.client, served.endpoint, ["green"], TASK, window, at_most=1)
    assert newest.table["age"].to_list() == [5.0]


def test_an_empty_window_is_an_empty_table(served: Served) -> None:
    moment = datetime(2020, 1, 1, tzinfo=UTC)

    found = read_collected(served.client, served.endpoint, ["blue"], TASK, Window(moment, moment + HOUR))

    assert (found.table.height, found.found.files, found.notes) == (0, 0, ())
    assert "probability" in found.table.columns


def test_unreadable_storage_is_reported_not_taken_for_an_empty_window(served: Served) -> None:
    # given a datastore whose container does not exist
    datastore = served.client.datastores.get("workspaceblobstore")
    assert isinstance(datastore, AzureBlobDatastore)
    right = datastore.container_name
    datastore.container_name = "gone"
    served.client.datastores.create_or_update(datastore)

    try:
        recent = recent_inputs(served.client, served.endpoint, observe(served.client, served.endpoint), TASK, days=1)
    finally:
        datastore.container_name = right
        served.client.datastores.create_or_update(datastore)

    assert recent.rows is None
    assert recent.problem.startswith(f"the collected inputs of {served.endpoint} cannot be read: ")
