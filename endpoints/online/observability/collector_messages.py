"""Splits batches of collected requests into messages of bounded size. Pure: azure_collector.py sends them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scorer import ScoredRows

from model_package.rows.encoding import Tensors, concatenated

ROWS_PER_MESSAGE = 200


@dataclass(frozen=True, slots=True)
class CollectedRequest:
    """One answered request: its id, when it was answered (seconds since the epoch), and its rows."""

    correlation_id: str
    timestamp: float
    scored: ScoredRows

    @property
    def size(self) -> int:
        """Bytes it takes in memory."""
        return self.scored.rows.nbytes + self.scored.probability.nbytes

    @property
    def units(self) -> int:
        """How many rows it has."""
        return len(self.scored.probability)


class Message:
    """The rows of one message: arrays, and for each row the id of its request, its index there, and its time."""

    def __init__(self) -> None:
        self.timestamp = 0.0
        self.ids: list[str] = []
        self.indices: list[int] = []
        self.times: list[str] = []
        self._rows: list[Tensors] = []
        self._probability: list[NDArray[np.float64]] = []

    @property
    def rows(self) -> Tensors:
        """All rows, as the model read them."""
        return concatenated(self._rows)

    @property
    def probability(self) -> NDArray[np.float64]:
        """All rows, float64 [rows]."""
        return np.concatenate(self._probability)

    def add(self, request: CollectedRequest, start: int, end: int) -> None:
        """Add the rows of a request from `start` up to, but not including, `end`."""
        self.timestamp = self.timestamp or request.timestamp
        time = datetime.fromtimestamp(request.timestamp, UTC).isoformat(timespec="milliseconds")
        self.ids += [request.correlation_id] * (end - start)
        self.indices += range(start, end)
        self.times += [time] * (end - start)
        self._rows.append(request.scored.rows[start:end])
        self._probability.append(request.scored.probability[start:end])


def split_into_messages(batch: Sequence[CollectedRequest]) -> Iterator[Message]:
    """The rows of the batch in messages of at most ROWS_PER_MESSAGE rows."""
    message = Message()
    for request in batch:
        start, rows = 0, len(request.scored.probability)
        while start < rows:
            end = min(rows, start + ROWS_PER_MESSAGE - len(message.ids))
            message.add(request, start, end)
            start = end
            if len(message.ids) == ROWS_PER_MESSAGE:
                yield message
                message = Message()
    if message.ids:
        yield message
