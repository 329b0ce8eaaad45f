"""The newest rows that an endpoint collected, as one table, from any storage: hour by hour until there are enough.

Rows keep their features, whatever these are, and their identity. folder.py reads a whole window of known features in
less memory.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl

from model_package.collected.lines import Found, LineReader, whole_lines
from model_package.collected.rows import with_answers
from model_package.collected.window import Window
from model_package.rows.collected_columns import (
    DEPLOYMENT,
    IDENTITY,
    INPUTS,
    MODEL_VERSION,
    OUTPUTS,
    TIME,
    feature_name,
    reserved,
)
from model_package.tasks import Task

_NUMBER = pl.Float64()


class CollectedFile(Protocol):
    """A file of JSON lines in some storage."""

    @property
    def hour(self) -> datetime:
        """The hour that its lines were filed under."""
        ...

    def chunks(self) -> Iterable[bytes]:
        """Return its bytes in pieces."""
        ...


class Collection(Protocol):
    """A deployment's inputs, or its outputs, in some storage."""

    def hours(self, window: Window) -> Iterator[Sequence[CollectedFile]]:
        """Yield the files that may hold rows of a window, hour by hour, the newest hour first."""
        ...


# All collections of a deployment by the deployment's name and INPUTS or OUTPUTS.
Find = Callable[[str, str], Sequence[Collection]]


@dataclass(frozen=True)
class NewestRows:
    """Collected rows, each once, the newest first.

    `table` has the features as they were collected, named as rows.collected_columns says (numbers as float64, null:
    missing), then the task's answer and `model_version`, all null where no answer was collected, then
    `correlation_id`, `row` (its number in the request), `time` (UTC) and `deployment`.
    """

    task: Task
    table: pl.DataFrame
    window: Window
    found: Found

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(map(feature_name, _features(self.table, self.task)))

    @property
    def inputs(self) -> pl.DataFrame:
        """The features alone, under their own names."""
        return self.table.select(pl.col(_features(self.table, self.task))).rename(feature_name)

    @property
    def unanswered(self) -> int:
        """How many rows have no answer."""
        return self.table[MODEL_VERSION].null_count()

    @property
    def notes(self) -> tuple[str, ...]:
        """What is wrong with some of the rows, in sentences; empty when nothing is."""
        unanswered = f"{self.unanswered:,} collected rows have no answer of the model beside them"
        return (*self.found.notes, unanswered) if self.unanswered else self.found.notes


def read_newest(
    deployments: Sequence[str], find: Find, task: Task, window: Window, at_most: int | None = None
) -> NewestRows:
    """Read the newest `at_most` rows of a window, or all of them.

    A row that several deployments have, because its request was mirrored, is taken from the first that has it. Raises
    what the storage raises; what is wrong in the files is counted.
    """
    found = Found()
    parts = [_deployment(name, find, task, window, at_most, found) for name in deployments]
    together = pl.concat([_nothing(task, window), *parts], how="diagonal_relaxed")
    once = together.unique(IDENTITY, keep="first", maintain_order=True).sort(TIME, descending=True, maintain_order=True)
    found.repeated += together.height - once.height
    table = once if at_most is None else once.head(at_most)
    # Features come first, also those that only some deployments have.
    beside = (*task.column_kinds, MODEL_VERSION, *IDENTITY, TIME, DEPLOYMENT)
    return NewestRows(task, table.select(*_features(table, task), *beside), window, found)


def _deployment(name: str, find: Find, task: Task, window: Window, at_most: int | None, found: Found) -> pl.DataFrame:
    inputs = LineReader.of_inputs(window, found, task, None, _NUMBER)
    asked = _read(find(name, INPUTS), inputs, window, at_most, found)
    oldest = asked[TIME].min()
    answered = Window(oldest, window.until).for_answers() if isinstance(oldest, datetime) else window
    outputs = LineReader.of_outputs(answered, found, task, _NUMBER)
    answers = _read(find(name, OUTPUTS) if asked.height else (), outputs, answered, None, found)
    return with_answers(asked, answers.drop(TIME), IDENTITY).with_columns(pl.lit(name).alias(DEPLOYMENT))


def _read(
    collections: Sequence[Collection], reader: LineReader, window: Window, at_most: int | None, found: Found
) -> pl.DataFrame:
    """Read collection by collection, each until there are enough rows of it or no more hours."""
    tables = [reader.empty()]
    for collection in collections:
        rows = 0
        for files in collection.hours(window):
            read = [reader.read(block, file.hour) for file in files for block in whole_lines(file.chunks())]
            found.files += len(files)
            rows += sum(table.height for table in read)
            tables += read
            if at_most is not None and rows >= at_most:
                break
    return pl.concat(tables, how="diagonal_relaxed")


def _nothing(task: Task, window: Window) -> pl.DataFrame:
    inputs = LineReader.of_inputs(window, Found(), task, None, _NUMBER).empty()
    answers = LineReader.of_outputs(window, Found(), task, _NUMBER).empty()
    return with_answers(inputs, answers.drop(TIME), IDENTITY).with_columns(pl.lit("").alias(DEPLOYMENT))


def _features(table: pl.DataFrame, task: Task) -> list[str]:
    taken = reserved(task)
    return [name for name in table.columns if name not in taken]
