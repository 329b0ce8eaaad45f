"""What is kept of requests, without a server: which ones, under which id, and what happens when it cannot be kept."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from azure_collector import INPUTS, OUTPUTS, AzureCollector, CollectionError
from collection import SYNTHETIC_HEADER, Collection
from deployment_variables import VariableError
from messages import ROWS_A_MESSAGE, messages
from recorder import WAITING_BYTES, WAITING_REQUESTS, Recorder, Scored
from request_schema import Feature, RequestSchema
from scorer import ScoredRows
from werkzeug.datastructures import Headers

from mlops.azure.collected_data import reading
from mlops.endpoint import client as scoring_call

PATIENCE_SECONDS = 30.0
SCHEMA = RequestSchema((Feature("age", "number", None, None, None),), threshold=0.5)


class Kept:
    """A place that takes every batch, or waits until it is let."""

    def __init__(self, *, waits: bool = False) -> None:
        self.batches: list[Sequence[Scored]] = []
        self.begun = threading.Event()
        self.may = threading.Event()
        if not waits:
            self.may.set()

    def send(self, batch: Sequence[Scored]) -> int:
        self.begun.set()
        self.may.wait(PATIENCE_SECONDS)
        self.batches.append(batch)
        return 0

    def losses(self) -> tuple[int, str]:
        return 0, ""

    @property
    def ids(self) -> list[str]:
        return [scored.correlation_id for batch in self.batches for scored in batch]


def rows(count: int = 1) -> ScoredRows:
    return ScoredRows(np.full((count, 1), 30.0, dtype=np.float32), np.full(count, 0.7))


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_endpoint_and_the_command_agree_on_words() -> None:
    assert scoring_call.SYNTHETIC_HEADER == SYNTHETIC_HEADER
    assert (reading.INPUTS, reading.OUTPUTS) == (INPUTS, OUTPUTS)


def test_callers_requests_are_kept_and_nothing_else() -> None:
    # given
    kept = Kept()
    collection = Collection(Recorder(kept, 1.0))

    # when
    collection.take(Headers({"X-Request-Id": "caller-1"}), rows())
    collection.take(Headers({"X-Request-Id": "load", "X-Mlops-Synthetic": "rollout"}), rows())
    collection.take(Headers({"X-Request-Id": "refused"}), None)
    collection.take(Headers({"X-Request-Id": "bad\u00e9 id"}), rows())
    collection.take(Headers({"X-Request-Id": "x" * 129}), rows())
    collection.take(Headers(), rows())
    until(lambda: len(kept.ids) == 4)

    # then an id that could do harm elsewhere is replaced
    assert kept.ids[0] == "caller-1"
    assert all(len(given) == 36 for given in kept.ids[1:])
    assert len(set(kept.ids)) == 4


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.5, 5), (1.0, 10)])
def test_the_share_decides_how_many_are_kept(share: float, expected: int) -> None:
    draws = iter(np.arange(10) / 10)
    recorder = Recorder(Kept(), share, chance=lambda: float(next(draws)))

    assert sum(recorder.drawn() for _ in range(10)) == expected


def test_what_does_not_fit_is_dropped_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    # given storage that hangs
    kept = Kept(waits=True)
    recorder = Recorder(kept, 1.0)
    recorder.keep(Scored("first", 0.0, rows()))
    assert kept.begun.wait(PATIENCE_SECONDS)

    # when more requests come than may wait
    begun = time.perf_counter()
    for number in range(WAITING_REQUESTS + 7):
        recorder.keep(Scored(str(number), 0.0, rows()))
    waited = time.perf_counter() - begun

    # then none of them waits, and the rest is dropped
    assert waited < 1.0
    assert recorder.dropped == 7
    with caplog.at_level(logging.WARNING, "collection"):
        kept.may.set()
        until(lambda: caplog.records)
    assert "scoring goes on" in caplog.text
    assert "7 requests dropped" in caplog.text


def test_large_requests_are_bounded_by_their_bytes() -> None:
    kept = Kept(waits=True)
    recorder = Recorder(kept, 1.0)
    recorder.keep(Scored("first", 0.0, rows()))
    assert kept.begun.wait(PATIENCE_SECONDS)
    large = rows(WAITING_BYTES // 24)

    for number in range(3):
        recorder.keep(Scored(str(number), 0.0, large))

    assert recorder.dropped == 1
    kept.may.set()


@pytest.mark.parametrize("share", ["1.5", "-0.1", "nan", "half"])
def test_a_share_that_is_none_keeps_the_deployment_from_starting(share: str) -> None:
    with pytest.raises(VariableError, match="from 0 to 1"):
        Collection.from_environment({"COLLECTED_SHARE": share}, SCHEMA, "1")


def test_a_deployment_that_does_not_ask_collects_nothing() -> None:
    assert AzureCollector.asked_for({}, SCHEMA, "1") is None
    Collection.from_environment({}, SCHEMA, "1").take(Headers(), rows())


def test_a_feature_named_like_a_column_of_the_collection_is_refused() -> None:
    schema = RequestSchema((Feature("time", "number", None, None, None),), threshold=0.5)

    with pytest.raises(CollectionError, match="time"):
        AzureCollector(schema, "1")


def test_a_batch_becomes_messages_of_a_bounded_size() -> None:
    batch = [Scored("a", 1.0, rows(3)), Scored("b", 2.0, rows(2 * ROWS_A_MESSAGE))]

    parts = list(messages(batch))

    assert [len(part.ids) for part in parts] == [ROWS_A_MESSAGE, ROWS_A_MESSAGE, 3]
    numbers = [pair for part in parts for pair in zip(part.ids, part.numbers, strict=True)]
    assert numbers == [*(("a", row) for row in range(3)), *(("b", row) for row in range(2 * ROWS_A_MESSAGE))]
    assert all(len(part.features) == len(part.probability) == len(part.times) == len(part.ids) for part in parts)
    assert parts[0].times[0] == "1970-01-01T00:00:01.000+00:00"
