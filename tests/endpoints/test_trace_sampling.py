"""Which requests a trace is sent of, and how many requests each trace stands for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from azure.monitor.opentelemetry.exporter import ApplicationInsightsSampler
from observability.request_record import RequestRecord
from observability.trace_sampling import LONGEST_SECONDS, SLOW_SECONDS, TraceSampler, trace_score
from opentelemetry.sdk.trace.sampling import Decision

GOOD = RequestRecord(0, 0.01, "POST", 200, 1, 0.001, 0.002, "", "", synthetic=False)
BAD, BROKEN, SLOW = replace(GOOD, status=400), replace(GOOD, status=500), replace(GOOD, seconds=SLOW_SECONDS)


def seconds_apart(seconds: float) -> Callable[[], float]:
    """A clock that is read once per batch."""
    now = -seconds

    def read() -> float:
        nonlocal now
        now += seconds
        return now

    return read


def sampler_of(per_second: float, rate: float = 1.0, seconds: float = 1.0) -> TraceSampler:
    return TraceSampler(rate, per_second, np.random.default_rng(3).random, seconds_apart(seconds))


def test_as_many_as_the_limit_allows_are_sent_and_they_stand_for_all() -> None:
    sampler = sampler_of(5)
    sent = [rate for _ in range(200) for _, rate in sampler.sample([GOOD] * 400)]

    assert 4 < len(sent) / 200 < 6
    assert set(sent) == {1 / 80}
    assert sum(1 / rate for rate in sent) == pytest.approx(200 * 400, rel=0.1)


def test_failed_and_slow_requests_are_all_sent() -> None:
    sent = list(sampler_of(5).sample([GOOD, BAD, GOOD, BROKEN, SLOW] * 100))

    assert [sent.count((record, 1.0)) for record in (BAD, BROKEN, SLOW)] == [100] * 3
    assert sum(record == GOOD for record, _ in sent) < 20


@pytest.mark.parametrize(("per_second", "requests"), [(5, 5), (0.5, 0), (math.inf, 10_000)])
def test_fewer_requests_than_the_limit_are_all_sent(per_second: float, requests: int) -> None:
    assert list(sampler_of(per_second).sample([GOOD] * requests)) == [(GOOD, 1.0)] * requests


def test_a_limit_that_nothing_used_for_a_day_allows_no_flood() -> None:
    sent = list(sampler_of(5, seconds=86_400).sample([GOOD] * 10_000))

    assert len(sent) < 2 * 5 * LONGEST_SECONDS


@pytest.mark.parametrize(("rate", "per_second", "expected"), [(0.5, 80, 0.2), (0.1, 80, 0.1), (0.0, 80, 0.0)])
def test_the_share_holds_for_every_request_and_the_smaller_one_counts(
    rate: float, per_second: float, expected: float
) -> None:
    sent = list(sampler_of(per_second, rate).sample([GOOD, BAD] * 400))

    assert {each for record, each in sent if record == GOOD} <= {expected}
    assert {each for record, each in sent if record == BAD} <= {rate}
    assert len(sent) == pytest.approx(400 * (rate + expected), rel=0.25)


def test_scores_of_trace_ids_are_those_of_application_insights() -> None:
    draw = np.random.default_rng(5)
    azure = ApplicationInsightsSampler(0.3)
    for number in (int.from_bytes(draw.bytes(16)) for _ in range(300)):
        is_sampled = azure.should_sample(None, number, "/score").decision is Decision.RECORD_AND_SAMPLE
        assert (trace_score(f"{number:032x}") < 0.3) is is_sampled


def test_all_requests_of_a_callers_trace_are_sent_or_none() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    batch = [replace(GOOD, traceparent=f"00-{trace}-{span:016x}-01") for span in range(1, 400)]

    assert len(list(sampler_of(399 / 2).sample(batch))) in {0, 399}
