"""Data collection without a server: which requests are collected, under which id, and what happens on overflow."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from observability.azure_collector import AzureCollector, input_frame
from observability.background_sender import MAX_QUEUED_BYTES, MAX_QUEUED_REQUESTS, BackgroundSender
from observability.collector_messages import ROWS_PER_MESSAGE, CollectedRequest, split_into_messages
from observability.data_collection import DataCollection
from observability.deployment_variables import VariableError
from scorer import ScoredRows
from werkzeug.datastructures import Headers

from model_package.rows.encoding import Tensors, encode, text_tensor
from model_package.schema import Decision, Feature, Schema

PATIENCE_SECONDS = 30.0
SCHEMA = Schema("", "late", (Feature("age", "number"),), decision=Decision(0.5))


class MemorySink:
    """A sink that keeps every batch in memory; a blocked one waits until it is released."""

    def __init__(self, *, blocked: bool = False) -> None:
        self.batches: list[Sequence[CollectedRequest]] = []
        self.entered = threading.Event()
        self.released = threading.Event()
        if not blocked:
            self.released.set()

    def send(self, batch: Sequence[CollectedRequest]) -> int:
        self.entered.set()
        self.released.wait(PATIENCE_SECONDS)
        self.batches.append(batch)
        return 0

    def delivery_failures(self) -> tuple[int, str]:
        return 0, ""

    @property
    def ids(self) -> list[str]:
        return [request.correlation_id for batch in self.batches for request in batch]


def sender_to(sink: MemorySink, sampling_rate: float = 1.0, **options: Any) -> BackgroundSender[CollectedRequest]:
    return BackgroundSender(sink, sampling_rate, name="collected data", unit="rows", **options)


def rows(count: int = 1) -> ScoredRows:
    return ScoredRows(Tensors(np.full((count, 1), 30.0, dtype=np.float32)), np.full(count, 0.7))


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_only_callers_requests_are_collected() -> None:
    # given
    sink = MemorySink()
    collection = DataCollection(sender_to(sink))

    # when
    collection.record(Headers({"X-Request-Id": "caller-1"}), rows())
    collection.record(Headers({"X-Request-Id": "load", "X-Mlops-Synthetic": "rollout"}), rows())
    collection.record(Headers({"X-Request-Id": "refused"}), None)
    collection.record(Headers({"X-Request-Id": "bad\u00e9 id"}), rows())
    collection.record(Headers({"X-Request-Id": "x" * 129}), rows())
    collection.record(Headers(), rows())
    until(lambda: len(sink.ids) == 4)

    # then an id that is not safe to store is replaced
    assert sink.ids[0] == "caller-1"
    assert all(len(given) == 36 for given in sink.ids[1:])
    assert len(set(sink.ids)) == 4


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 0), (0.5, 5), (1.0, 10)])
def test_sampling_rate_decides_how_many_requests_are_collected(rate: float, expected: int) -> None:
    draws = iter(np.arange(10) / 10)
    sender = sender_to(MemorySink(), rate, draw=lambda: float(next(draws)))

    assert sum(sender.is_sampled() for _ in range(10)) == expected


def test_sender_drops_counts_and_logs_the_overflow(caplog: pytest.LogCaptureFixture) -> None:
    # given storage that hangs
    sink = MemorySink(blocked=True)
    sender = sender_to(sink)
    sender.enqueue(CollectedRequest("first", 0.0, rows()))
    assert sink.entered.wait(PATIENCE_SECONDS)

    # when more requests come than the queue holds
    begun = time.perf_counter()
    for number in range(MAX_QUEUED_REQUESTS + 7):
        sender.enqueue(CollectedRequest(str(number), 0.0, rows()))
    waited = time.perf_counter() - begun

    # then none of them waits, and the rest is dropped
    assert waited < PATIENCE_SECONDS
    assert sender.dropped == 7
    with caplog.at_level(logging.WARNING, "observability"):
        sink.released.set()
        until(lambda: caplog.records)
    assert "lost some collected data, scoring continues" in caplog.text
    assert "7 requests dropped" in caplog.text


def test_sender_bounds_the_bytes_of_large_requests() -> None:
    sink = MemorySink(blocked=True)
    sender = sender_to(sink)
    sender.enqueue(CollectedRequest("first", 0.0, rows()))
    assert sink.entered.wait(PATIENCE_SECONDS)
    large = rows(MAX_QUEUED_BYTES // 24)

    for number in range(3):
        sender.enqueue(CollectedRequest(str(number), 0.0, large))

    assert sender.dropped == 1
    sink.released.set()


@pytest.mark.parametrize("rate", ["1.5", "-0.1", "nan", "half"])
def test_an_invalid_sampling_rate_stops_the_deployment_from_starting(rate: str) -> None:
    with pytest.raises(VariableError, match="from 0 to 1"):
        DataCollection.from_environment({"DATA_COLLECTION_SAMPLING_RATE": rate}, SCHEMA, "1")


def test_the_former_name_of_the_sampling_rate_is_refused_with_the_new_one() -> None:
    with pytest.raises(VariableError, match="COLLECTED_SHARE is now called DATA_COLLECTION_SAMPLING_RATE"):
        DataCollection.from_environment({"COLLECTED_SHARE": "0.1"}, SCHEMA, "1")


def test_a_deployment_without_a_collector_collects_nothing() -> None:
    assert AzureCollector.if_enabled({}, SCHEMA, "1") is None
    DataCollection.from_environment({}, SCHEMA, "1").record(Headers(), rows())


@pytest.mark.parametrize("kind", ["number", "text"])
def test_a_feature_with_the_name_of_a_collected_column_has_one_of_its_own(kind: str) -> None:
    schema = Schema("", "late", (Feature("time", "number"), Feature("row", kind)), decision=Decision(0.5))
    given = encode(np.ones((1, 2)), [text_tensor(["a"])] if kind == "text" else [], schema)

    frame = input_frame(pd.DataFrame, given, schema)

    assert list(frame.columns) == ["data.time", "data.row"]
    assert frame["data.row"].to_list() == ["a" if kind == "text" else 1]


def test_a_batch_is_split_into_messages_of_bounded_size() -> None:
    batch = [CollectedRequest("a", 1.0, rows(3)), CollectedRequest("b", 2.0, rows(2 * ROWS_PER_MESSAGE))]

    parts = list(split_into_messages(batch))

    assert [len(part.ids) for part in parts] == [ROWS_PER_MESSAGE, ROWS_PER_MESSAGE, 3]
    numbers = [pair for part in parts for pair in zip(part.ids, part.indices, strict=True)]
    assert numbers == [*(("a", row) for row in range(3)), *(("b", row) for row in range(2 * ROWS_PER_MESSAGE))]
    assert all(len(part.rows) == len(part.answer) == len(part.times) == len(part.ids) for part in parts)
    assert parts[0].times[0] == "1970-01-01T00:00:01.000+00:00"
