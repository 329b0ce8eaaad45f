"""Collects the features and the answers of callers' requests for monitoring, where the deployment asks for it.

Nothing else of a request is collected: no header, address or key. The project's own requests (smoke tests, rollout
load) are marked by a header and left out.
"""

import time
from collections.abc import Mapping
from typing import Self

from scorer import ScoredRows

from model_package.schema import Schema
from observability.azure_collector import AzureCollector
from observability.background_sender import BackgroundSender, OnLoss, ignore_losses
from observability.collector_messages import CollectedRequest
from observability.deployment_variables import COLLECTED_DATA_URL, DATA_COLLECTION_SAMPLING_RATE, sampling_rate
from observability.request_record import SYNTHETIC_HEADER, Headers, request_id_of


class DataCollection:
    """Samples callers' answered requests and queues them for the collector; without a sender it collects nothing."""

    def __init__(self, sender: BackgroundSender[CollectedRequest] | None) -> None:
        self._sender = sender

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], schema: Schema, version: str, on_loss: OnLoss = ignore_losses
    ) -> Self:
        """Start collecting if the deployment has a data collector, or names the folder to collect to.

        Raises DataCollectionError or VariableError when its configuration cannot work.
        """
        rate = sampling_rate(environment, DATA_COLLECTION_SAMPLING_RATE)
        if environment.get(COLLECTED_DATA_URL):
            # Imported only where it is turned on: no other deployment pays for it.
            from observability.datastore_collector import SECONDS_PER_BATCH, DatastoreCollector

            writer = DatastoreCollector.from_environment(environment, schema, version)
            sender = BackgroundSender(
                writer, rate, name="collected data", unit="rows", on_loss=on_loss, batch_seconds=SECONDS_PER_BATCH
            )
            return cls(sender)
        collector = AzureCollector.if_enabled(environment, schema, version)
        if collector is None:
            return cls(None)
        return cls(BackgroundSender(collector, rate, name="collected data", unit="rows", on_loss=on_loss))

    def record(self, headers: Headers, scored: ScoredRows | None) -> None:
        """Queue a request unless it was not scored, is synthetic, or is not sampled. Never waits, never raises."""
        sender = self._sender
        if sender is None or scored is None or SYNTHETIC_HEADER in headers or not sender.is_sampled():
            return
        sender.enqueue(CollectedRequest(request_id_of(headers), time.time(), scored))

    def close(self, seconds: float) -> None:
        """Send what is queued; waits for at most so many seconds."""
        if self._sender is not None:
            self._sender.close(seconds)
