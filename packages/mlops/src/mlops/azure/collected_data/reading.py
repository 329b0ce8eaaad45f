"""Reads what deployments have collected, with the login in use, the newest hours first.

What is wrong in the files is counted, not raised; what must be right raises: no permission, no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import polars as pl
from azure.ai.ml import MLClient

from mlops.azure.collected_data.frames import Collected, collected, inputs_frame, joined, outputs_frame
from mlops.azure.collected_data.lines import TIME, Found, Row, is_input, is_output, whole_lines
from mlops.azure.collected_data.storage import Collection, find_collections
from mlops.azure.collected_data.window import Window

INPUTS: Final = "model_inputs"
OUTPUTS: Final = "model_outputs"


def read_collected(
    client: MLClient, endpoint: str, deployments: Sequence[str], window: Window, at_most: int | None = None
) -> Collected:
    """What an endpoint's deployments collected in a window: the newest `at_most` rows, or all of them.

    A row that several deployments have counts for the first of them: name the live one first. Deployments that
    collect nothing have nothing. Raises HttpResponseError when the storage refuses.
    """
    frames: list[pl.DataFrame] = []
    read: list[_Part] = []
    skewed = 0
    for deployment in deployments:
        inputs = _Part(inputs_frame, is_input)
        inputs.read(find_collections(client, endpoint, deployment, INPUTS), window, at_most)
        outputs = _Part(outputs_frame, is_output)
        if inputs.oldest is not None:
            answers = find_collections(client, endpoint, deployment, OUTPUTS)
            outputs.read(answers, Window(inputs.oldest, window.until), None)
        frames.append(joined(inputs.frames, outputs.frames, deployment))
        read += [inputs, outputs]
        skewed += inputs.skewed
    found = collected(frames, window, at_most)
    return replace(
        found,
        files=sum(part.files for part in read),
        broken=sum(part.broken for part in read),
        skewed=skewed,
    )


@dataclass
class _Part:
    """One collection as far as it was read: a table an hour."""

    table: Callable[[Sequence[Row]], pl.DataFrame]
    usable: Callable[[Row], bool]

    def __post_init__(self) -> None:
        self.frames: list[pl.DataFrame] = []
        self.files = self.broken = self.skewed = 0

    @property
    def oldest(self) -> datetime | None:
        """When the oldest row was; None without rows."""
        moments = [frame[TIME].min() for frame in self.frames if not frame.is_empty()]
        return min((moment for moment in moments if isinstance(moment, datetime)), default=None)

    def read(self, places: Sequence[Collection], window: Window, at_most: int | None) -> None:
        """Read place by place, hour by hour, each until there are enough rows or no more hours."""
        for collection in places:
            self._read_hours(collection, window, at_most)

    def _read_hours(self, collection: Collection, window: Window, at_most: int | None) -> None:
        enough = None if at_most is None else at_most + sum(frame.height for frame in self.frames)
        for hour in collection.hours(window):
            found = Found(window, self.usable)
            for file in hour:
                found.read(whole_lines(collection.blocks(file)), file.hour)
            self.files += len(hour)
            self.broken += found.broken
            self.skewed += found.skewed
            self.frames.append(self.table(found.rows))
            if enough is not None and sum(frame.height for frame in self.frames) >= enough:
                return
