"""Passes collected requests to Azure's data collector library, as its collections of model inputs and outputs.

Each row carries its request's id, its index there and its time: one line of the collector's files may hold several
requests. The library takes data frames only. Nothing else in the scoring code needs pandas, so both are imported only
where the deployment collects data.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Self

from model_package.rows.collected_columns import (
    CORRELATION_ID,
    INPUTS,
    MODEL_VERSION,
    OUTPUTS,
    ROW,
    TIME,
    collected_name,
)
from model_package.rows.encoding import Tensors, cells
from model_package.schema import Schema
from model_package.tasks import task_of
from observability.collector_messages import CollectedRequest, Message, split_into_messages

# Azure sets one of them where a deployment has a data collector; the second is the older form.
ENABLING_VARIABLES = ("AZUREML_MDC_CONFIG_PATH", "AZUREML_MDC_ENABLED")
LIBRARY_LOGGERS = ("mdc.worker", "mdc.sender")
WORKER_LOGGER = "mdc.worker"


class DataCollectionError(Exception):
    """The data collection that the deployment asks for is impossible: it must not start."""


class AzureCollector:
    """Azure's collector for inputs and outputs. Not safe to use from several threads."""

    def __init__(self, schema: Schema, version: str) -> None:
        """Open both collections. Raises DataCollectionError unless the deployment has enabled both of them."""
        # Importing pandas takes half a second, which a deployment without data collection need not spend.
        import pandas as pd
        from azureml.ai.monitoring import Collector
        from azureml.ai.monitoring.context import BasicCorrelationContext

        self._frame: Any = pd.DataFrame
        self._context = BasicCorrelationContext
        self._schema = schema
        self._task = task_of(schema)
        self._version = version
        self._problems: list[Exception] = []
        self._inputs, self._outputs = (
            Collector(name=name, on_error=self._problems.append) for name in (INPUTS, OUTPUTS)
        )
        if self._problems:
            raise DataCollectionError(
                f"the data collector cannot be used: {self._problems[0]}; enable both collections, {INPUTS} and "
                f"{OUTPUTS}, in deployment.yml, or remove its data_collector"
            )
        self._failures = _DeliveryFailures()
        for name in LIBRARY_LOGGERS:
            logging.getLogger(name).addFilter(self._failures)

    @classmethod
    def if_enabled(cls, environment: Mapping[str, str], schema: Schema, version: str) -> Self | None:
        """The collector if the deployment has one, else None. Raises DataCollectionError as the constructor does."""
        if not any(environment.get(name) for name in ENABLING_VARIABLES):
            return None
        try:
            return cls(schema, version)
        except (OSError, ValueError) as error:
            raise DataCollectionError(f"the data collector's configuration cannot be read: {error}") from error

    def send(self, batch: Sequence[CollectedRequest]) -> int:
        """Pass a batch to the library, which sends it on its own thread; returns how many rows it refused."""
        refused = 0
        for message in split_into_messages(batch):
            context = self._context(id=message.ids[0], timestamp=int(message.timestamp))
            self._problems.clear()
            self._inputs.collect(self._input_frame(message), context)
            self._outputs.collect(self._output_frame(message), context)
            if self._problems:
                refused += len(message.ids)
                self._failures.reason = str(self._problems[-1])
        return refused

    def delivery_failures(self) -> tuple[int, str]:
        """How many messages the library failed to deliver, and why the last one failed."""
        return self._failures.count, self._failures.reason

    def _input_frame(self, message: Message) -> Any:
        frame = input_frame(self._frame, message.rows, self._schema)
        return self._with_ids(frame, message)

    def _output_frame(self, message: Message) -> Any:
        frame = self._frame(self._task.columns(message.answer))
        frame[MODEL_VERSION] = self._version
        return self._with_ids(frame, message)

    def _with_ids(self, frame: Any, message: Message) -> Any:
        frame[CORRELATION_ID], frame[ROW], frame[TIME] = message.ids, message.indices, message.times
        return frame


def input_frame(make: Any, rows: Tensors, schema: Schema) -> Any:
    """The features of rows as callers write them, under their collected names; `make` makes a pandas frame."""
    task = task_of(schema)
    names = [collected_name(name, task) for name in schema.names]
    if all(feature.is_number for feature in schema.features):
        return make(rows.features, columns=names)
    # Objects keep whole numbers beside missing values, which pandas would turn into fractions.
    return make(dict(zip(names, cells(rows, schema).values(), strict=True)), dtype=object)


class _DeliveryFailures(logging.Filter):
    """Counts the messages that the library's own thread gives up on, and keeps it from logging each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.reason = ""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be logged."""
        if record.levelno < logging.ERROR:
            return True
        if record.name == WORKER_LOGGER:
            self.count += 1
            self.reason = str(record.args[-1]) if isinstance(record.args, tuple) and record.args else record.msg
        return False
