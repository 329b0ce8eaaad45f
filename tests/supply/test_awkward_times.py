"""The moments at which tests are run again are as awkward as they say, and a process can be told one of them."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from zoneinfo import ZoneInfo

import pytest

ROOT = Path(__file__).parents[2]
SOON = timedelta(minutes=1)
PRINTS_NOW = "import datetime; print(datetime.datetime.now().astimezone().isoformat())"


@pytest.fixture
def awkward(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program; it is one of CI's, no package."""
    monkeypatch.syspath_prepend(ROOT / ".ci")
    return importlib.import_module("awkward_times")


@pytest.mark.parametrize(
    ("name", "part"),
    [("hour", "hour"), ("midnight", "day"), ("month", "month"), ("leap-day", "day"), ("year", "year")],
)
def test_something_changes_within_the_minute(awkward: ModuleType, name: str, part: str) -> None:
    before = awkward.MOMENTS[name].instant

    assert getattr(before, part) != getattr(before + SOON, part)


@pytest.mark.parametrize("name", ["summer-time-begins", "the-hour-again", "st-johns"])
def test_the_clocks_change_within_the_minute(awkward: ModuleType, name: str) -> None:
    moment = awkward.MOMENTS[name]
    zone = ZoneInfo(moment.zone)

    # in St John's and Berlin the second of two hours of one name begins, or ends
    offsets = {
        (moment.instant + step).astimezone(zone).utcoffset() for step in (timedelta(), SOON, -timedelta(hours=1))
    }
    assert len(offsets) == 2


def test_the_tests_that_ask_for_the_time_are_found(awkward: ModuleType) -> None:
    found = awkward.clock_tests(ROOT)

    assert "tests/supply/test_awkward_times.py" in found
    assert "tests/supply/test_configuration.py" not in found


@pytest.mark.parametrize("name", ["year", "the-hour-again", "st-johns", "auckland"])
def test_a_process_has_that_time(awkward: ModuleType, name: str, tmp_path: Path) -> None:
    if not awkward.can_move_clocks():
        pytest.skip("needs Linux and `apt-get install gcc`")
    moment = awkward.MOMENTS[name]
    moved = os.environ | awkward.moved_to(moment, tmp_path)

    shown = subprocess.run([sys.executable, "-c", PRINTS_NOW], env=moved, capture_output=True, text=True, check=True)

    now = datetime.fromisoformat(shown.stdout.strip())
    assert moment.instant - SOON < now < moment.instant + SOON
    assert now.utcoffset() == moment.instant.astimezone(ZoneInfo(moment.zone)).utcoffset()
