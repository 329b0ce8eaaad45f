"""A load generator of its own process: open connections, one request after another on each, times recorded.

    python -m harness.load URL --connections 8 --seconds 5 --body request.json [--key KEY] [--ca FILE]
        [--socket PATH]

Prints one JSON object: requests, failures (any status but 200, any broken connection), requests a second, the
times in milliseconds at the median and the 99th percentile, and for itself (`client`) and each process group of
`--watch` the processor time in milliseconds a request took of it. `router.py` starts it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import time
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import uvloop

from harness.processor_time import group_seconds

WARM_UP_SECONDS = 1.0
OK = 200


class Caller(asyncio.Protocol):
    """One connection that asks, waits for the whole answer, and asks again until its time is over."""

    def __init__(self, request: bytes, ended: asyncio.Future[None]) -> None:
        self.times: list[tuple[float, float]] = []
        self.failures = 0
        self.until = float("inf")
        # Seconds between the requests of this connection; 0: as soon as the last one is answered.
        self.interval = 0.0
        self._request = request
        self._ended = ended
        self._began = 0.0
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        self._transport = cast(asyncio.Transport, transport)
        self._due = time.perf_counter()
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Read a piece of the answer."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Record the time and ask again."""
        now = time.perf_counter()
        self.times.append((self._began, now - self._began))
        self.failures += self._parser.get_status_code() != OK
        if now < self.until and not self.interval:
            self._ask()
        elif now < self.until:
            self._due = max(self._due + self.interval, now - self.interval)
            asyncio.get_running_loop().call_later(max(0.0, self._due - now), self._ask_when_due)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The end: wanted, or a failure."""
        self.failures += time.perf_counter() < self.until
        if not self._ended.done():
            self._ended.set_result(None)

    def _ask_when_due(self) -> None:
        if self._transport.is_closing():
            return
        self._began = self._due
        self._transport.write(self._request)

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the load; the figures."""
    address = urlsplit(arguments.url)
    secure = ssl.create_default_context(cafile=arguments.ca) if address.scheme == "https" else None
    body = arguments.body.read_bytes()
    key = f"Authorization: Bearer {arguments.key}\r\n" if arguments.key else ""
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n{key}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(arguments.connections)]
    callers = [Caller(head.encode() + body, ended) for ended in ends]
    watched = dict(arguments.watch)
    used: dict[str, float] = {}
    loop.call_later(WARM_UP_SECONDS, lambda: used.update(processor_seconds(watched)))
    counted_from = time.perf_counter() + WARM_UP_SECONDS
    for caller in callers:
        caller.interval = arguments.connections / arguments.rate if arguments.rate else 0.0
        caller.until = counted_from + arguments.seconds
        if arguments.socket:
            await loop.create_unix_connection(lambda one=caller: one, arguments.socket)
        else:
            await loop.create_connection(lambda one=caller: one, address.hostname, address.port, ssl=secure)
    await asyncio.gather(*ends)
    now = processor_seconds(watched)
    times = sorted(took for caller in callers for began, took in caller.times if began >= counted_from)
    if not times:
        raise SystemExit("Not one request was answered.")
    return {
        "requests": len(times),
        "failures": sum(caller.failures for caller in callers),
        "per_second": len(times) / arguments.seconds,
        "p50_ms": 1000 * times[len(times) // 2],
        "p99_ms": 1000 * times[min(len(times) - 1, int(len(times) * 0.99))],
        "processor_ms": {name: 1000 * (now[name] - before) / len(times) for name, before in used.items()},
    }


def processor_seconds(watched: dict[str, int]) -> dict[str, float]:
    """Processor time used so far: this process as `client`, and each watched group by its name."""
    return {"client": time.process_time(), **{name: group_seconds(group) for name, group in watched.items()}}


def named_group(text: str) -> tuple[str, int]:
    """`NAME=GROUP` as a pair."""
    name, _, group = text.partition("=")
    return name, int(group)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--body", type=Path, required=True)
    parser.add_argument("--key")
    parser.add_argument("--ca")
    parser.add_argument("--socket", help="a Unix socket to connect to in place of the host and port of URL")
    parser.add_argument("--watch", type=named_group, action="append", default=[], metavar="NAME=GROUP")
    print(json.dumps(uvloop.run(measure(parser.parse_args()))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
