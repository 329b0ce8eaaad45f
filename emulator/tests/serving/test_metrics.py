"""What is counted of a deployment's requests."""

from __future__ import annotations

import pytest

from azureml_emulator.serving.metrics import BUCKET_RATIO, KEPT_MINUTES, DeploymentMetrics, Tally


def test_percentiles_are_exact_to_the_ratio_of_the_buckets() -> None:
    tally = Tally()
    for number in range(1, 1001):
        tally.add(200, 200, number / 1000)
    for percent, seconds in ((50, 0.5), (95, 0.95), (99, 0.99), (100, 1.0)):
        found = tally.percentile(percent)
        assert found is not None
        assert seconds <= found * (1 + 1e-9)
        assert found <= seconds * BUCKET_RATIO


def test_nothing_counted_has_no_percentile() -> None:
    assert Tally().percentile(50) is None
    assert Tally().document()["p99_ms"] is None


def test_statuses_of_router_and_model_are_apart() -> None:
    metrics = DeploymentMetrics()
    metrics.add(0, 200, 200, 0.01)
    metrics.add(0, 424, 500, 0.01)
    metrics.add(0, 408, None, 3.0)
    document = metrics.document()["live"]
    assert document["statuses"] == {"200": 1, "424": 1, "408": 1}
    assert document["status_classes"] == {"2xx": 1, "4xx": 2}
    assert document["model_statuses"] == {"200": 1, "500": 1}


def test_copies_are_counted_apart() -> None:
    metrics = DeploymentMetrics()
    metrics.add(0, 200, 200, 0.01, mirrored=True)
    assert metrics.document()["live"]["requests"] == 0
    assert metrics.document()["mirrored"]["requests"] == 1


@pytest.mark.parametrize(
    ("since", "until", "starts"),
    [(0, 180, [0, 60, 120]), (60, 120, [60]), (61, 180, [120]), (180, 600, [])],
)
def test_minutes_are_found_by_when_they_begin(since: int, until: int, starts: list[int]) -> None:
    metrics = DeploymentMetrics()
    for now in (1, 61, 119, 121):
        metrics.add(now, 200, 200, 0.01)
    assert list(metrics.minutes(since, until)) == starts


def test_only_the_last_day_is_kept_by_minute() -> None:
    metrics = DeploymentMetrics()
    for minute in range(KEPT_MINUTES + 10):
        metrics.add(60 * minute, 200, 200, 0.01)
    minutes = metrics.minutes(0, 1e12)
    assert len(minutes) == KEPT_MINUTES
    assert min(minutes) == 600
    assert metrics.live.requests == KEPT_MINUTES + 10
