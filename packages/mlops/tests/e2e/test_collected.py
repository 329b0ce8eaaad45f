"""The gate of a stage that callers use: what they asked is collected, and drift in it blocks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from mlops.azure.collected_data import find_collections, read_collected
from mlops.endpoint.client import address_of, call, require_success
from mlops.endpoint.view import live_model
from mlops.gates.report import GateReport
from mlops.promotion.promote import promote
from mlops.settings.project import read_project_schema
from model_package.collected.window import Window
from model_package.rows.collected_columns import INPUTS, OUTPUTS
from model_package.tasks import task_of

from .conftest import ROOT, Team

pytestmark = pytest.mark.xdist_group("e2e")
PATIENCE_SECONDS = 60.0
LAST_HOUR = timedelta(hours=1)
TASK = task_of(read_project_schema(ROOT))


class Staging:
    """The stage's live deployment and those who call it."""

    def __init__(self, team: Team) -> None:
        stage = team.clients.project.settings.stage("staging")
        self.client = team.clients.stage("staging")
        self.endpoint = stage.online_endpoint
        live = live_model(self.client, stage)
        assert live
        self.deployment = live.deployment
        self._address = address_of(self.client, stage.online_endpoint, live.scoring_uri)

    def ask(self, rows: pl.DataFrame) -> None:
        """Ask for all rows at once, and wait until they are collected."""
        before = self.collected
        require_success(call(self._address, json.dumps({"input_data": rows.to_dicts()}).encode()))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.collected < before + rows.height:
            assert time.monotonic() < deadline, f"{self.collected} of {before + rows.height} rows"
            time.sleep(0.2)

    @property
    def collected(self) -> int:
        """How many rows have been collected lately."""
        window = Window.last(LAST_HOUR, datetime.now(UTC))
        return read_collected(self.client, self.endpoint, [self.deployment], TASK, window).table.height

    def forget(self) -> None:
        """Delete what was collected: other tests have this stage too."""
        for name in (INPUTS, OUTPUTS):
            for collection in find_collections(self.client, self.endpoint, self.deployment, name):
                for blob in collection.container.list_blobs(name_starts_with=collection.folder):
                    collection.container.delete_blob(blob.name)


@pytest.fixture
def staging(team: Team) -> Iterator[Staging]:
    staging = Staging(team)
    staging.forget()
    yield staging
    staging.forget()


@pytest.fixture
def population(data_file: Path) -> pl.DataFrame:
    """Rows as callers ask for them: features, and no target."""
    sample = json.loads((ROOT / "endpoints" / "online" / "sample-request.json").read_text())
    return pl.read_csv(data_file).select(list(sample["input_data"][0]))


def proposed_to_staging(team: Team) -> GateReport:
    report = promote(team.clients, "staging", None).report
    assert report
    return report


def test_drift_in_what_callers_asked_blocks(team: Team, staging: Staging, population: pl.DataFrame) -> None:
    # given callers who are like the training data
    staging.ask(population.head(600))

    # then drift is measured, and passes
    report = proposed_to_staging(team)
    assert report.evidence.drift
    assert report.evidence.drift.rows == 600
    assert report.promotes

    # when others come, who are not
    staging.ask(population.slice(700, 2_000).with_columns(AGE=pl.lit(60)))

    # then it blocks, and names what drifted
    report = proposed_to_staging(team)
    assert not report.promotes
    (outcome,) = (each for each in report.verdict.outcomes if each.rule.measure == "largest_feature_drift")
    assert outcome.outcome == "fail"
    assert "(AGE " in outcome.sentence
