"""`mlops monitor` on a released stage: windows that do not mix, recorded once, killed midway, and run twice at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops.audit.log import AuditLog
from mlops.audit.record import Record
from mlops.azure.collected_data import find_collections
from mlops.azure.workspace import connect_registry
from mlops.endpoint.client import SYNTHETIC_HEADER, address_of, call
from mlops.endpoint.view import live_model
from mlops.models.registered import fetch_package
from mlops.monitoring.measuring import measure_service
from mlops.monitoring.run import EVENT_KIND
from model_package.collected.window import Window
from model_package.rows.collected_columns import INPUTS, OUTPUTS
from model_package.rows.tables import matrix
from model_package.runtime import Scorer

from .conftest import Lifecycle, Team

pytestmark = pytest.mark.xdist_group("e2e")
STAGE = "prod"
ROWS = 2_000
PATIENCE_SECONDS = 120.0
DRIFT_CODE, QUALITY_CODE, UNMEASURED_CODE = 10, 11, 13


class Prod:
    """The stage, and what callers of it have asked: each test has a day of its own."""

    def __init__(self, lifecycle: Lifecycle, team: Team) -> None:
        self.lifecycle = lifecycle
        self.client = team.clients.stage(STAGE)
        project = team.clients.project
        self.stage = project.settings.stage("prod")
        live = live_model(self.client, self.stage)
        assert live
        self.live = live
        self.endpoint, self.deployment, self.version = self.stage.online_endpoint, live.deployment, live.version
        self.address = address_of(self.client, self.endpoint, live.scoring_uri)
        registry = connect_registry(project.settings.registry)
        package, _ = fetch_package(registry, project, project.settings.model, live.version)
        self._scorer = Scorer.open(package)
        self.features = self._scorer.schema.names

    def collect(self, day: str, rows: pl.DataFrame) -> None:
        """Have rows collected at noon of a day, with the answers of the model that is live."""
        noon = datetime.fromisoformat(f"{day}T12:00+00:00")
        asked = rows.select(self._scorer.schema.names)
        answers = self._scorer.score(matrix(asked, self.features, np.float32))
        given = [
            {"probability": float(each), "decision": int(decision), "model_version": self.version}
            for each, decision in zip(answers, self._scorer.task.decisions(answers), strict=True)
        ]
        for name, events in ((INPUTS, asked.to_dicts()), (OUTPUTS, given)):
            (place,) = find_collections(self.client, self.endpoint, self.deployment, name)
            identity = {"row": 0, "time": noon.isoformat(timespec="milliseconds")}
            data = [each | identity | {"correlation_id": f"{day}-{at}"} for at, each in enumerate(events)]
            text = json.dumps({"specversion": "1.0", "data": data}) + "\n"
            place.container.upload_blob(f"{place.folder}/{noon:%Y/%m/%d/%H}/{day}.jsonl", text.encode())

    def words(self, day: str, *more: str) -> tuple[str, ...]:
        """The command for a day."""
        end = datetime.fromisoformat(f"{day}T00:00+00:00") + timedelta(days=1)
        return ("monitor", "--stage", STAGE, "--from", day, "--to", end.isoformat(), *more)

    def monitor(self, day: str, *more: str) -> tuple[int, dict[str, Any]]:
        """Run the command; its exit code and its document."""
        clone = self.lifecycle.clone
        done = clone.mlops(*self.words(day, *more), "--json", **self.lifecycle.variables)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def records(self, day: str) -> list[Record]:
        """What the audit log has of a day."""
        records, breaks = AuditLog(self.client).read()
        assert not breaks
        return [each for each in records if each.event.kind == EVENT_KIND and each.event.evidence["since"][:10] == day]


@pytest.fixture
def prod(lifecycle: Lifecycle, team: Team) -> Prod:
    return Prod(lifecycle, team)


@pytest.fixture
def population(data_file: Path) -> pl.DataFrame:
    return pl.read_csv(data_file).sample(ROWS, seed=3)


def outcomes(file: Path, day: str, rows: pl.DataFrame) -> Path:
    ids = [f"{day}-{at}" for at in range(rows.height)]
    pl.DataFrame({"correlation_id": ids, "default": rows["default"]}).write_parquet(file)
    return file


def test_a_day_like_training_is_healthy_and_is_noted_once(prod: Prod, population: pl.DataFrame, tmp_path: Path) -> None:
    # given a day of callers as in training, whose outcomes are known
    day = "2026-03-01"
    prod.collect(day, population)
    labels = str(outcomes(tmp_path / "outcomes.parquet", day, population))

    # when it is judged, twice
    code, first = prod.monitor(day, "--labels", labels)
    again_code, again = prod.monitor(day, "--labels", labels)

    # then all is well, and the second time nothing is measured or recorded again
    assert (code, first["state"], first["retrain"]) == (0, "healthy", [])
    assert first["measurements"]["labelled"] == ROWS
    assert (again_code, again["job"]) == (0, first["job"])
    assert again["audit"] == {"record": first["audit"]["record"], "new": False}
    assert len(prod.records(day)) == 1
    assert "<img" in Path(first["report"]).read_text()


def test_other_callers_are_drift_and_a_newer_model_is_asked_for(prod: Prod, population: pl.DataFrame) -> None:
    day = "2026-03-02"
    moved = population.with_columns(PAY_0=pl.min_horizontal(pl.col("PAY_0") + 2, 8))
    prod.collect(day, moved)

    code, found = prod.monitor(day)

    assert (code, found["state"], found["drifted"]) == (DRIFT_CODE, "drift", ["PAY_0"])
    assert "weighted_drift" in found["retrain"]
    (record,) = prod.records(day)
    assert record.event.verdict == "failed"
    assert record.event.evidence["state"] == "drift"
    assert "PAY_0" in record.event.reason


def test_a_bug_upstream_is_told_apart_from_drift_and_asks_for_nothing(prod: Prod, population: pl.DataFrame) -> None:
    # given a caller who fills in the same value for everybody, which is drift as well
    day = "2026-03-03"
    prod.collect(day, population.with_columns(PAY_0=pl.lit(2)))

    code, found = prod.monitor(day)

    assert (code, found["state"], found["retrain"]) == (QUALITY_CODE, "quality", [])
    judged = {each["measure"]: each["outcome"] for each in found["rules"]}
    assert (judged["constant_features"], judged["weighted_drift"]) == ("fail", "untrusted")


def test_failures_and_latency_are_those_of_azure_monitor(prod: Prod, population: pl.DataFrame) -> None:
    # given requests, one of which a caller got wrong, which is no failure of the service
    begun = datetime.now(UTC)
    row = population.select(prod.features).row(0, named=True)
    for number in range(20):
        body = json.dumps({"input_data": row if number else {}}).encode()
        call(prod.address, body, prod.deployment, {SYNTHETIC_HEADER: "load"})

    window = Window(begun - timedelta(seconds=1), begun + timedelta(hours=1))
    found = measure_service(prod.stage, prod.live, window, min_requests=20)
    too_few = measure_service(prod.stage, prod.live, window, min_requests=10_000)

    assert found["failure_share"].value == 0
    assert 0 < found["latency_p99_milliseconds"].value < 60_000
    assert {each.state for each in too_few.values()} == {"nothing"}


def test_an_empty_day_needs_no_job(prod: Prod) -> None:
    code, found = prod.monitor("2026-03-04")

    assert (code, found["state"], found["job"]) == (UNMEASURED_CODE, "not measured", "none")
    assert "--to now" in found["advice"]
    assert {each["outcome"] for each in found["rules"]} <= {"fail", "not measured"}
    assert [each["measure"] for each in found["rules"] if each["outcome"] == "fail"] == ["rows"]


def test_killed_in_the_middle_and_run_again_it_goes_on_with_its_job(prod: Prod, population: pl.DataFrame) -> None:
    # given a monitor that is killed while its job runs
    day = "2026-03-05"
    prod.collect(day, population)
    job = killed_with_its_job_begun(prod, day)
    assert not prod.records(day)

    # when it is run again
    code, found = prod.monitor(day)

    # then nothing is measured twice, and the verdict is recorded once
    assert (code, found["job"], found["audit"]["new"]) == (0, job, True)
    assert len(prod.records(day)) == 1


def test_two_that_begin_at_the_same_moment_share_a_job_and_a_record(prod: Prod, population: pl.DataFrame) -> None:
    day = "2026-03-06"
    prod.collect(day, population)

    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(lambda _: prod.monitor(day), range(2)))

    assert [code for code, _ in results] == [0, 0]
    assert len({found["job"] for _, found in results}) == 1
    assert sorted(found["audit"]["new"] for _, found in results) == [False, True]
    assert len(prod.records(day)) == 1


def killed_with_its_job_begun(prod: Prod, day: str) -> str:
    """Start the command as a process of its own and kill it as soon as it says which job it has begun; the job."""
    command = [sys.executable, "-m", "mlops", *prod.words(day)]
    variables = prod.lifecycle.variables
    folder = prod.lifecycle.clone.folder
    place = {**os.environ, **variables}
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, env=place, text=True, stdout=null, stderr=pipe) as process:
        assert process.stderr
        deadline = time.monotonic() + PATIENCE_SECONDS
        for line in process.stderr:
            assert time.monotonic() < deadline
            if line.startswith("job "):
                process.kill()
                break
        assert process.wait() == -signal.SIGKILL
        return line.split()[1]
