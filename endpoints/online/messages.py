"""Cuts batches of scored requests into messages of bounded size. Pure: knows nothing of who takes them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from recorder import Scored

ROWS_A_MESSAGE = 200


class Message:
    """Rows of one message: arrays, and for each row its request's id, its number there, and its time."""

    def __init__(self) -> None:
        self.moment = 0.0
        self.ids: list[str] = []
        self.numbers: list[int] = []
        self.times: list[str] = []
        self._features: list[NDArray[np.float32]] = []
        self._probability: list[NDArray[np.float64]] = []

    @property
    def features(self) -> NDArray[np.float32]:
        """All rows, float32 [rows, features]."""
        return np.concatenate(self._features)

    @property
    def probability(self) -> NDArray[np.float64]:
        """All rows, float64 [rows]."""
        return np.concatenate(self._probability)

    def add(self, scored: Scored, start: int, end: int) -> None:
        """Add the rows of a request from `start` to before `end`."""
        self.moment = self.moment or scored.moment
        time = datetime.fromtimestamp(scored.moment, UTC).isoformat(timespec="milliseconds")
        self.ids += [scored.correlation_id] * (end - start)
        self.numbers += range(start, end)
        self.times += [time] * (end - start)
        self._features.append(scored.rows.features[start:end])
        self._probability.append(scored.rows.probability[start:end])


def messages(batch: Sequence[Scored]) -> Iterator[Message]:
    """The batch's rows in messages of at most ROWS_A_MESSAGE."""
    message = Message()
    for scored in batch:
        start, rows = 0, len(scored.rows.probability)
        while start < rows:
            end = min(rows, start + ROWS_A_MESSAGE - len(message.ids))
            message.add(scored, start, end)
            start = end
            if len(message.ids) == ROWS_A_MESSAGE:
                yield message
                message = Message()
    if message.ids:
        yield message
