"""What is kept of the requests for monitoring, where the deployment asks for it: which ones, and under which id.

Kept are a request's features and the model's answer; no header, address, key or anything else of the caller. What
the project asks itself (smoke tests, the load of a rollout) says so in a header, and is not kept.
"""

import re
import time
import uuid
from collections.abc import Mapping
from typing import Protocol, Self

from azure_collector import AzureCollector, CollectionError
from recorder import Recorder, Scored
from request_schema import RequestSchema
from scorer import ScoredRows

SHARE_VARIABLE = "COLLECTED_SHARE"
EVERYTHING = "1.0"
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

    def __init__(self, recorder: Recorder | None) -> None:
        self._recorder = recorder

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], schema: RequestSchema, version: str) -> Self:
        """Begin to collect what the deployment asks for. Raises CollectionError when that cannot be."""
        share = _share(environment.get(SHARE_VARIABLE) or EVERYTHING)
        collector = AzureCollector.asked_for(environment, schema, version)
        return cls(Recorder(collector, share) if collector else None)

    def take(self, headers: Headers, scored: ScoredRows | None) -> None:
        """Keep a request, unless it was not scored, is synthetic, or is not drawn. Never waits, never raises."""
        recorder = self._recorder
        if recorder is None or scored is None or SYNTHETIC_HEADER in headers or not recorder.drawn():
            return
        recorder.keep(Scored(_request_id(headers), time.time(), scored))


def _request_id(headers: Headers) -> str:
    """The id that the endpoint gave the request, or its caller; one of ours where it has none that can be kept."""
    given = headers.get(REQUEST_ID_HEADER, "")
    return given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise CollectionError(f"{SHARE_VARIABLE} is '{text}'; give the share of requests to keep, from 0 to 1")
    return share
