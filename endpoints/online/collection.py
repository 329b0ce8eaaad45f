"""What is kept of the requests for monitoring, where the deployment asks for it: which ones, and under which id.

Kept are a request's features and the model's answer; no header, address, key or anything else of the caller. What
the project asks itself (smoke tests, the load of a rollout) says so in a header, and is not kept.
"""

import re
import time
import uuid
from collections.abc import Mapping
from typing import Protocol, Self

from azure_collector import AzureCollector
from deployment_variables import share_of
from recorder import Recorder, Scored, Told, tell_nobody
from request_schema import RequestSchema
from scorer import ScoredRows

SHARE_VARIABLE = "COLLECTED_SHARE"
SYNTHETIC_HEADER = "x-mlops-synthetic"
REQUEST_ID_HEADER = "x-request-id"
# An id becomes a header of the collector's own requests, and a key to join labels by.
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Headers(Protocol):
    """A request's headers, whose names have no case."""

    def get(self, key: str, default: str, /) -> str:
        """A header's value."""
        ...

    def __contains__(self, key: str, /) -> bool: ...


class Collection:
    """Takes every answered request and keeps a share of the callers'; keeps nothing without a recorder."""

    def __init__(self, recorder: Recorder[Scored] | None) -> None:
        self._recorder = recorder

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], schema: RequestSchema, version: str, tell: Told = tell_nobody
    ) -> Self:
        """Begin to collect what the deployment asks for. Raises CollectionError or VariableError when it cannot."""
        share = share_of(environment, SHARE_VARIABLE)
        collector = AzureCollector.asked_for(environment, schema, version)
        return cls(Recorder(collector, share, tell=tell) if collector else None)

    def take(self, headers: Headers, scored: ScoredRows | None) -> None:
        """Keep a request, unless it was not scored, is synthetic, or is not drawn. Never waits, never raises."""
        recorder = self._recorder
        if recorder is None or scored is None or SYNTHETIC_HEADER in headers or not recorder.drawn():
            return
        recorder.keep(Scored(request_id_of(headers), time.time(), scored))


def request_id_of(headers: Headers) -> str:
    """The id that the endpoint gave the request, or its caller; one of ours where it has none that can be kept."""
    given = headers.get(REQUEST_ID_HEADER, "")
    return given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
