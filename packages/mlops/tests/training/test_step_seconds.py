from datetime import UTC, datetime, timedelta

import pytest

from mlops.cli.progress import Step
from mlops.training.following import step_seconds

BEGUN = datetime(2026, 3, 1, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return BEGUN + timedelta(seconds=seconds)


@pytest.mark.parametrize("status", ["Completed", "Failed"])
def test_step_that_has_ended_took_what_the_service_says(status: str) -> None:
    assert step_seconds(status, BEGUN, after(2.5), now=after(100)) == 2.5


def test_running_step_is_timed_by_now() -> None:
    assert step_seconds("Running", BEGUN, BEGUN, now=after(4)) == 4.0


def test_clock_behind_the_service_gives_no_negative_time() -> None:
    assert step_seconds("Running", BEGUN, BEGUN, now=after(-3)) == 0.0


def test_waiting_step_and_step_without_times_have_no_time() -> None:
    assert step_seconds("Queued", BEGUN, BEGUN, now=after(3)) is None
    assert step_seconds("Canceled", BEGUN, after(2), now=after(3)) is None
    assert step_seconds("Completed", None, None, now=after(3)) is None


def test_line_of_a_running_step_says_no_time_and_that_of_an_ended_one_does() -> None:
    assert Step("fit", "Running", 0.1).sentence() == "fit: Running"
    assert Step("fit", "Failed", 1.25).sentence() == "fit: Failed (1.2 s)"
