"""A table from `mlops init` through every stage, its worse model and its drift; no line of code is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from forks import Fork
from project_copy import copy_project

ROWS = 4_000
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("initialised_tables")]


def demand() -> pl.DataFrame:
    """A regression: hourly demand with times, missing values, categories and yes or no."""
    random = np.random.default_rng(3)
    times = [datetime(2023, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(ROWS)]
    hours = np.array([time.hour for time in times])
    temperature = 15 + 10 * np.sin(np.arange(ROWS) / 24 / 365 * 2 * np.pi) + random.normal(0, 4, ROWS)
    weather = random.choice(["clear", "cloudy", "rain"], ROWS, p=[0.5, 0.3, 0.2])
    is_holiday = random.random(ROWS) < 0.05
    wanted = 200 + 80 * np.sin((hours - 8) / 24 * 2 * np.pi) + 5 * temperature - 40 * (weather == "rain")
    return pl.DataFrame(
        {
            "measured at": [time.strftime("%Y-%m-%d %H:%M:%S") for time in times],
            "temperature": [None if at % 17 == 0 else round(value, 1) for at, value in enumerate(temperature.tolist())],
            "weather": [None if at % 31 == 0 else value for at, value in enumerate(weather.tolist())],
            "holiday": ["yes" if each else "no" for each in is_holiday],
            "demand": (wanted - 30 * is_holiday + random.normal(0, 15, ROWS)).round(1),
        }
    )


def tickets() -> pl.DataFrame:
    """A multiclass table: free text, text categories, an open category with rare values, an id."""
    random = np.random.default_rng(4)
    words = {
        "billing": ["invoice", "payment", "refund"],
        "network": ["slow", "outage", "router"],
        "accounts": ["password", "login", "locked"],
    }
    teams = random.choice(list(words), ROWS, p=[0.5, 0.3, 0.2]).tolist()
    said = [random.choice(words[team] if random.random() < 0.9 else ["café", "thing"], 2).tolist() for team in teams]
    more = random.choice(["please", "help", "since", "yesterday", "again"], (ROWS, 4)).tolist()
    return pl.DataFrame(
        {
            "ticket": np.arange(ROWS) + 10_000,
            "channel": [random.choice(["phone", "mail"] if team == "billing" else ["chat", "mail"]) for team in teams],
            "region": [f"region {each % 400}" for each in random.zipf(1.5, ROWS).tolist()],
            "message": [" ".join(own + rest) for own, rest in zip(said, more, strict=True)],
            "team": teams,
        }
    )


@pytest.fixture(scope="module", params=["demand", "team"])
def fork(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fork]:
    target = request.param
    folder = tmp_path_factory.mktemp("fork") / "project"
    folder.mkdir()
    copy_project(folder, without=("packages/", "docs/", "benchmarks/"))
    table = folder.parent / "my table.csv"
    (demand() if target == "demand" else tickets()).write_csv(table, separator=";")
    made = Fork(folder, table)
    made.run("init", "--data", str(table), "--target", target)
    try:
        yield made
    finally:
        made.run("down")


def test_it_goes_through_every_stage_and_is_guarded_there(fork: Fork) -> None:
    assert fork.run("check") == "all checks passed\n"

    bad = json.loads(fork.run("demo", "--data", str(fork.table), "--bad-model", "--json"))["bad_model"]
    drift = json.loads(fork.run("demo", "--data", str(fork.table), "--drift", "--json"))["drift"]

    assert bad["stopped_by_gate"]["branch"] is None
    assert sum(bad["rolled_back"]["failures"].values()) == 0
    assert bad["rolled_back"]["live_before"] == bad["rolled_back"]["live_after"]
    assert drift["monitor"]["state"] == "drift"
    assert drift["waiting"]
