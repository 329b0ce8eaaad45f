"""What metrics and traces record of one request: how it went, never what it contained.

The request headers that they and data collection read are named here too. Imports nothing of the project.
"""

import re
import uuid
from dataclasses import dataclass
from typing import Protocol

SYNTHETIC_HEADER = "x-mlops-synthetic"
REQUEST_ID_HEADER = "x-request-id"
TRACEPARENT_HEADER = "traceparent"
# The id becomes a header of the collector's own requests, and the key that outcomes are joined on.
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
SERVER_ERROR = 500


class Headers(Protocol):
    """The headers of a request; their names are case-insensitive."""

    def get(self, key: str, default: str, /) -> str:
        """The value of a header."""
        ...

    def __contains__(self, key: str, /) -> bool: ...


class Request(Protocol):
    """What is read of a request."""

    @property
    def method(self) -> str:
        """The HTTP method."""
        ...

    @property
    def headers(self) -> Headers:
        """The headers."""
        ...


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """How one request went.

    `started_ns` is in nanoseconds since the epoch; `traceparent` is the W3C header as the caller sent it.
    """

    started_ns: int
    seconds: float
    method: str
    status: int
    rows: int
    read_seconds: float
    model_seconds: float
    request_id: str
    traceparent: str
    synthetic: bool

    @property
    def size(self) -> int:
        """Bytes it takes in memory, roughly: all records are about the same size."""
        return 512

    @property
    def units(self) -> int:
        """One trace."""
        return 1


def request_id_of(headers: Headers) -> str:
    """The id that the endpoint or the caller gave the request; a new one when it has none that is safe to store."""
    given = headers.get(REQUEST_ID_HEADER, "")
    return given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
