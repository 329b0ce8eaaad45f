"""The application that granian serves, an open server that answers several times as many requests per core as Azure's.

Granian calls it by RSGI, its own interface: `granian --interface rsgi --factory granian_app:load`. Requests, replies
and what is recorded of them are those of score.py; environments/granian/Dockerfile has the command.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, cast

from observability.data_collection import DataCollection
from observability.deployment_variables import positive_number
from observability.telemetry import Telemetry
from scorer import Reply, Scorer

from model_package.rows.requests import MAX_BODY_BYTES

SCORE_PATH, HEALTH_PATH = "/score", "/"
SCORE_METHODS = ("POST", "GET")
# A body up to this is scored in the event loop, where that takes less than the way to a thread and back.
INLINE_BYTES = 64 * 1024
MAX_CONCURRENT_REQUESTS = "MAX_CONCURRENT_REQUESTS"
BODY_SECONDS = "REQUEST_BODY_SECONDS"
FLUSH_SECONDS = 5.0
# How long the thread that sends traces may keep the interpreter while a request waits for it. With Python's own 5 ms,
# which a request waits several times, a busy server answered half as many.
SWITCH_SECONDS = 0.0005
OK, NOT_FOUND, NOT_ALLOWED, TIMED_OUT, TOO_MANY, FAILED = 200, 404, 405, 408, 429, 500
TEXT = [("content-type", "text/plain; charset=utf-8")]
Headers = list[tuple[str, str]]
# A body, or the size of one that is too large.
Body = bytes | int

log = logging.getLogger("scoring")


class Application:
    """Answers requests with a loaded model package."""

    def __init__(
        self,
        scorer: Scorer,
        telemetry: Telemetry,
        data_collection: DataCollection,
        max_concurrent: int,
        body_seconds: float,
    ) -> None:
        """`max_concurrent` requests are in work at once, and their bodies arrive within `body_seconds`."""
        self._scorer = scorer
        self._telemetry = telemetry
        self._data_collection = data_collection
        self._max_concurrent = max_concurrent
        self._deadlines = BodyDeadlines(body_seconds)
        self._in_work = 0
        # One: more threads would only take the processor from each other, and from the loop.
        self._thread = ThreadPoolExecutor(1, "scoring")
        # A model that is not ONNX runs in a process of its own, which the loop must not wait for.
        self._inline_bytes = INLINE_BYTES if scorer.is_fast else 0
        self._headers: Headers = [
            ("content-type", "application/json"),
            ("x-model-name", scorer.model),
            ("x-model-version", scorer.version),
        ]
        self._metrics = telemetry.metrics

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Load the model package; raises if it is not the released one, or a variable is wrong."""
        max_concurrent = positive_number(environment, MAX_CONCURRENT_REQUESTS, 64)
        body_seconds = positive_number(environment, BODY_SECONDS, 10)
        scorer = Scorer.from_environment(environment)
        telemetry = Telemetry.from_environment(environment, scorer)
        collection = DataCollection.from_environment(
            environment, scorer.schema, scorer.version, telemetry.on_collection_loss
        )
        return cls(scorer, telemetry, collection, int(max_concurrent), body_seconds)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        path = scope.path
        if path == SCORE_PATH:
            await self._score(scope, protocol)
        elif path == HEALTH_PATH:
            protocol.response_str(OK, TEXT, "Healthy")
        elif self._metrics is not None and path == self._metrics.path:
            content_type, text = self._metrics.exposition(scope.headers.get("accept", ""))
            protocol.response_bytes(OK, [("content-type", content_type)], text)
        else:
            protocol.response_str(NOT_FOUND, TEXT, f"There is nothing at {path}; requests go to {SCORE_PATH}.")

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Before the worker ends: send what is recorded and not sent yet."""
        self._thread.shutdown()
        self._data_collection.close(FLUSH_SECONDS)
        self._telemetry.close(FLUSH_SECONDS)

    async def _score(self, scope: Any, protocol: Any) -> None:
        if scope.method not in SCORE_METHODS:
            protocol.response_str(NOT_ALLOWED, [*TEXT, ("allow", ", ".join(SCORE_METHODS))], "Use POST.")
            return
        if self._in_work >= self._max_concurrent:
            protocol.response_bytes(TOO_MANY, [*self._headers, ("retry-after", "1")], _error(*TOO_MANY_REQUESTS))
            return
        self._in_work += 1
        try:
            reply = await self._reply(scope, protocol)
        except TimeoutError:
            protocol.response_bytes(TIMED_OUT, [*self._headers, ("connection", "close")], _error(*BODY_TIMEOUT))
        except Exception:
            log.exception("a request failed")
            protocol.response_bytes(FAILED, self._headers, _error(*MODEL_FAILED))
        else:
            protocol.response_bytes(reply.status, self._headers, reply.body)
        finally:
            self._in_work -= 1

    async def _reply(self, scope: Any, protocol: Any) -> Reply:
        begun = time.perf_counter()
        body = await self._deadlines.wait_for(_read(scope, protocol))
        if isinstance(body, int):
            return self._scorer.refuse_size(body)
        if len(body) <= self._inline_bytes:
            return self._answer(scope, body, begun)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, scope, body, begun)

    def _answer(self, scope: Any, body: bytes, begun: float) -> Reply:
        reply = None
        try:
            reply = self._scorer.answer(body)
        finally:
            self._telemetry.record(scope, reply, begun)
        self._data_collection.record(scope.headers, reply.scored)
        return reply


class BodyDeadlines:
    """Ends the requests whose bodies do not arrive in time, with one timer for all of a worker.

    asyncio.timeout starts a timer per request, which takes about as long as scoring a row.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # When each task must have its body, in the order in which they began.
        self._due: dict[asyncio.Task[Any], float] = {}
        self._is_timed = False

    async def wait_for(self, arriving: Coroutine[Any, Any, Body]) -> Body:
        """Return what arrives. Raises TimeoutError when it takes too long."""
        loop = asyncio.get_running_loop()
        task = cast(asyncio.Task[Any], asyncio.current_task(loop))
        self._due[task] = loop.time() + self._seconds
        if not self._is_timed:
            self._is_timed = True
            loop.call_later(self._seconds, self._end_overdue, loop)
        try:
            return await arriving
        except asyncio.CancelledError:
            if task in self._due:
                raise
            task.uncancel()
            raise TimeoutError from None
        finally:
            self._due.pop(task, None)

    def _end_overdue(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        overdue = [task for task, due in self._due.items() if due <= now]
        for task in overdue:
            del self._due[task]
            task.cancel()
        self._is_timed = bool(self._due)
        if self._is_timed:
            loop.call_at(next(iter(self._due.values())), self._end_overdue, loop)


async def _read(scope: Any, protocol: Any) -> Body:
    """The body, or the size of one that is too large, which is not kept."""
    announced = scope.headers.get("content-length", "")
    if announced.isdigit() and int(announced) <= MAX_BODY_BYTES:
        return await protocol()
    parts, size = [], 0
    async for part in protocol:
        size += len(part)
        if size <= MAX_BODY_BYTES:
            parts.append(part)
        else:
            parts.clear()
    return size if size > MAX_BODY_BYTES else b"".join(parts)


TOO_MANY_REQUESTS = ("TooManyRequests", "the server has as many requests as it works on at once; send it again")
BODY_TIMEOUT = ("RequestTimeout", "the body of the request did not arrive in time")
MODEL_FAILED = ("ModelFailed", "the model failed; the log of the deployment says why")


def _error(code: str, message: str) -> bytes:
    return f'{{"error":{{"code":"{code}","message":"{message}"}}}}'.encode()


def load() -> Application:
    """The application of this worker. One that cannot be loaded ends the server: a new worker could not either."""
    sys.setswitchinterval(SWITCH_SECONDS)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        return Application.from_environment(os.environ)
    except Exception:
        log.exception("the model cannot be served")
        os.kill(os.getppid(), signal.SIGTERM)
        raise
