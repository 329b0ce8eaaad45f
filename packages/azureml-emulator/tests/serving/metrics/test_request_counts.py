"""The request counts of a deployment."""

from __future__ import annotations

import pytest

from azureml_emulator.serving.metrics.request_counts import (
    BUCKET_RATIO,
    KEPT_MINUTES,
    KEPT_SECONDS,
    DeploymentMetrics,
    RequestCounts,
)


def test_percentiles_are_exact_to_the_ratio_of_the_buckets() -> None:
    tally = RequestCounts()
    for number in range(1, 1001):
        tally.add(200, 200, number / 1000)
    for percent, seconds in ((50, 0.5), (95, 0.95), (99, 0.99), (100, 1.0)):
        found = tally.percentile(percent)
        assert found is not None
        assert seconds <= found * (1 + 1e-9)
        assert found <= seconds * BUCKET_RATIO


def test_without_requests_there_is_no_percentile() -> None:
    assert RequestCounts().percentile(50) is None
    assert RequestCounts().document()["p99_ms"] is None


def test_statuses_of_router_and_model_are_counted_separately() -> None:
    metrics = DeploymentMetrics()
    metrics.add(0, 200, 200, 0.01)
    metrics.add(0, 424, 500, 0.01)
    metrics.add(0, 408, None, 3.0)
    document = metrics.document()["live"]
    assert document["statuses"] == {"200": 1, "424": 1, "408": 1}
    assert document["status_classes"] == {"2xx": 1, "4xx": 2}
    assert document["model_statuses"] == {"200": 1, "500": 1}


def test_mirrored_requests_are_counted_separately() -> None:
    metrics = DeploymentMetrics()
    metrics.add(0, 200, 200, 0.01, mirrored=True)
    assert metrics.document()["live"]["requests"] == 0
    assert metrics.document()["mirrored"]["requests"] == 1


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        pytest.param(0, 180, [1, 61, 119, 121], id="all"),
        pytest.param(60, 120, [61, 119], id="a minute"),
        pytest.param(61.5, 119.5, [61, 119], id="from within a second"),
        pytest.param(62, 119, [], id="between two"),
        pytest.param(180, 600, [], id="after all"),
    ],
)
def test_a_window_is_exact_to_the_second(since: float, until: float, found: list[int]) -> None:
    metrics = DeploymentMetrics()
    for now in (1, 61, 119, 121):
        metrics.add(now, 200, 200, 0.01)
    assert [second for second, _ in metrics.window(since, until)] == found


def test_counts_older_than_an_hour_are_kept_per_minute() -> None:
    # given one request per second for two hours
    metrics = DeploymentMetrics()
    for second in range(2 * KEPT_SECONDS):
        metrics.add(second, 200, 200, 0.01)
    # then none is lost, and old ones are at whole minutes
    tallies = dict(metrics.window(0, 1e12))
    assert sum(tally.requests for tally in tallies.values()) == 2 * KEPT_SECONDS
    assert all(second % 60 == 0 for second, tally in tallies.items() if tally.requests > 1)
    assert len(tallies) < KEPT_SECONDS + 2 + KEPT_SECONDS / 60


def test_only_the_last_day_is_kept() -> None:
    metrics = DeploymentMetrics()
    for minute in range(KEPT_MINUTES + 100):
        metrics.add(60 * minute, 200, 200, 0.01)
    oldest = min(second for second, _ in metrics.window(0, 1e12))
    # a day per minute, before the hour per second and the minute that has just ended
    assert oldest == 60 * 100 - KEPT_SECONDS - 60
    assert metrics.live.requests == KEPT_MINUTES + 100
