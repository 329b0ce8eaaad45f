"""Gives batches of scored rows to Azure's data collector library, as its collections of inputs and of outputs.

Every row carries the id, time and number by which it is found again: several requests make one line of the
collector's files. The library takes data frames only; nothing else of scoring needs pandas, so both are
imported only where a deployment collects.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from messages import Message, messages
from recorder import Scored
from request_schema import RequestSchema

INPUTS = "model_inputs"
OUTPUTS = "model_outputs"
CORRELATION_ID = "correlation_id"
ROW = "row"
TIME = "time"
# Columns that stand beside the features, in one collection or when both are read together.
RESERVED = frozenset({CORRELATION_ID, ROW, TIME, "probability", "decision", "model_version", "deployment"})
# Set by Azure where a deployment has a data collector; the second is its older form.
ASKED_BY = ("AZUREML_MDC_CONFIG_PATH", "AZUREML_MDC_ENABLED")
LIBRARY_LOGGERS = ("mdc.worker", "mdc.sender")
WORKER_LOGGER = "mdc.worker"


class CollectionError(Exception):
    """The deployment asks for a collection that cannot be: it must not start."""


class AzureCollector:
    """Azure's collector for both collections. Not for several threads at once."""

    def __init__(self, schema: RequestSchema, version: str) -> None:
        """Open both collections. Raises CollectionError when the deployment has not turned both of them on."""
        if taken := sorted(RESERVED.intersection(schema.names)):
            raise CollectionError(
                f"the features {', '.join(taken)} are named like columns of the collected data: rename them"
            )
        # Imported here, because pandas takes half a second that a deployment without collection need not spend.
        import pandas as pd
        from azureml.ai.monitoring import Collector
        from azureml.ai.monitoring.context import BasicCorrelationContext

        self._frame: Any = pd.DataFrame
        self._context = BasicCorrelationContext
        self._schema = schema
        self._version = version
        self._problems: list[Exception] = []
        self._inputs, self._outputs = (
            Collector(name=name, on_error=self._problems.append) for name in (INPUTS, OUTPUTS)
        )
        if self._problems:
            raise CollectionError(
                f"the data collector cannot be used: {self._problems[0]}; turn the collections {INPUTS} and "
                f"{OUTPUTS} on in deployment.yml, or remove its data_collector"
            )
        self._undelivered = _Undelivered()
        for name in LIBRARY_LOGGERS:
            logging.getLogger(name).addFilter(self._undelivered)

    @classmethod
    def asked_for(cls, environment: Mapping[str, str], schema: RequestSchema, version: str) -> Self | None:
        """The collector where the deployment asks for one, else None. Raises CollectionError as the class does."""
        if not any(environment.get(name) for name in ASKED_BY):
            return None
        try:
            return cls(schema, version)
        except (OSError, ValueError) as error:
            raise CollectionError(f"the data collector's configuration cannot be read: {error}") from error

    def send(self, batch: Sequence[Scored]) -> int:
        """Hand a batch to the library, which sends it on a thread of its own; the rows that it did not take."""
        refused = 0
        for message in messages(batch):
            context = self._context(id=message.ids[0], timestamp=int(message.moment))
            self._problems.clear()
            self._inputs.collect(self._input_frame(message), context)
            self._outputs.collect(self._output_frame(message), context)
            if self._problems:
                refused += len(message.ids)
                self._undelivered.reason = str(self._problems[-1])
        return refused

    def losses(self) -> tuple[int, str]:
        """How many messages the library could not deliver, and what it said of the last one."""
        return self._undelivered.count, self._undelivered.reason

    def _input_frame(self, message: Message) -> Any:
        frame = self._frame(message.features, columns=list(self._schema.names))
        return self._identified(frame, message)

    def _output_frame(self, message: Message) -> Any:
        decision = (message.probability >= self._schema.threshold).astype(np.int64)
        frame = self._frame({"probability": message.probability, "decision": decision})
        frame["model_version"] = self._version
        return self._identified(frame, message)

    def _identified(self, frame: Any, message: Message) -> Any:
        frame[CORRELATION_ID], frame[ROW], frame[TIME] = message.ids, message.numbers, message.times
        return frame


class _Undelivered(logging.Filter):
    """Counts the messages that the library's own thread gives up, and keeps its log from repeating them all."""

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
