"""Forwards one request to one deployment: within its concurrency limits and its timeout, and counts it.

Knows no endpoint and no caller. A request whose connection broke before the first byte of a response is sent once more,
as Azure does: scoring must be free of side effects.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from azureml_emulator.serving.servers.fleet import Deployment
from azureml_emulator.serving.servers.instance import Instance, TooManyRequests
from azureml_emulator.serving.servers.upstream import Connection, Headers, UpstreamLost, UpstreamResponse

REQUEST_ID = b"x-request-id"
REASON_HEADER = b"ms-azureml-model-error-reason"
_ATTEMPTS = 2
_JOINED_BYTES = 1 << 16
# The status of a request whose caller disconnected before the response, as in Azure's logs.
_CALLER_GONE = 499


class RouterError(Exception):
    """A response of the router itself rather than of the model."""

    def __init__(self, status: int, code: str, message: str, headers: Headers | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers: Headers = headers or []


@dataclass(frozen=True)
class ForwardedRequest:
    """One request to a server: request line, headers without Content-Length, body."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes

    @property
    def request_id(self) -> str:
        """The request id, set by the caller or the router."""
        return next((value.decode("latin-1") for name, value in self.headers if name == REQUEST_ID), "")

    def lines(self, path: bytes | None = None) -> list[bytes]:
        """The request as HTTP/1.1, in one or two pieces; a `path` replaces its own."""
        fields = b"".join([b"%b: %b\r\n" % header for header in self.headers])
        head = b"%b %b HTTP/1.1\r\nHost: localhost\r\n%bContent-Length: %d\r\n\r\n" % (
            self.method,
            self.target if path is None else path + self.target[len(self.target.partition(b"?")[0]) :],
            fields,
            len(self.body),
        )
        # One piece when copying is cheap: after the first of two, a server may have to wait for the next packet.
        return [head + self.body] if len(self.body) <= _JOINED_BYTES else [head, self.body]


class Outcome:
    """The outcome of one request, for the counts: the status sent, the model's own status, the time."""

    __slots__ = ("began", "model_status", "status")

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.status = _CALLER_GONE
        self.model_status: int | None = None

    @property
    def seconds(self) -> float:
        """Seconds since the request was accepted."""
        return time.perf_counter() - self.began

    def count(self, deployment: Deployment, *, mirrored: bool = False) -> None:
        """Add it to the counts of the deployment."""
        deployment.metrics.add(time.time(), self.status, self.model_status, self.seconds, mirrored=mirrored)


class Exchange:
    """The response of a deployment while its connection is held: `async with Exchange(...) as response`.

    Raises RouterError when there is none.
    """

    __slots__ = ("_answer", "_connection", "_deployment", "_instance", "_outcome", "_question")

    def __init__(self, deployment: Deployment, question: ForwardedRequest, outcome: Outcome) -> None:
        self._deployment = deployment
        self._question = question
        self._outcome = outcome

    async def __aenter__(self) -> UpstreamResponse:
        deployment = self._deployment
        instance = await deployment.wait_ready()
        if instance is None:
            raise _not_ready(deployment)
        try:
            await instance.admit()
        except TooManyRequests:
            raise _too_many(deployment, instance) from None
        try:
            self._connection, self._answer = await _ask(deployment, instance, self._question)
        except BaseException:
            instance.release()
            raise
        self._instance = instance
        self._outcome.status = self._outcome.model_status = self._answer.status
        collector = instance.start.collector
        if collector is not None and collector.collects_payloads:
            self._answer.kept = []
        return self._answer

    async def __aexit__(self, failure: object, *_: object) -> None:
        self._instance.pool.give(self._connection)
        self._instance.release()
        collector, kept = self._instance.start.collector, self._answer.kept
        if collector is not None and kept is not None and failure is None:
            asked = self._question
            target, method = asked.target.decode("latin-1"), asked.method.decode("latin-1")
            collector.collect_payloads(target, method, asked.request_id, asked.body, b"".join(kept))


async def mirror_to(deployment: Deployment, question: ForwardedRequest) -> None:
    """Send a copy of a request to a mirror, count the outcome, and discard the response."""
    outcome = Outcome()
    try:
        async with Exchange(deployment, question, outcome) as answer:
            async for _ in answer.chunks():
                pass
    except RouterError as refusal:
        outcome.status = refusal.status
    except UpstreamLost:
        outcome.status = 502
    finally:
        outcome.count(deployment, mirrored=True)


async def _ask(
    deployment: Deployment, instance: Instance, question: ForwardedRequest
) -> tuple[Connection, UpstreamResponse]:
    try:
        return await _attempt(deployment, instance, question.lines(instance.scoring_path))
    except TimeoutError:
        limit = instance.plan.request_timeout
        status = 408 if instance.plan.managed else 504
        message = (
            f"The deployment '{deployment.name}' did not answer within {limit:g} seconds. The limit is "
            "request_timeout_ms of its request_settings."
        )
        raise RouterError(status, "RequestTimeout", message, [(REASON_HEADER, b"request_timeout")]) from None


async def _attempt(
    deployment: Deployment, instance: Instance, lines: list[bytes]
) -> tuple[Connection, UpstreamResponse]:
    lost: UpstreamLost | OSError | None = None
    for _ in range(_ATTEMPTS):
        try:
            connection = instance.pool.idle() or await instance.pool.connect(instance.deadlines.limit)
        except TimeoutError:
            raise
        except OSError as error:
            lost = error
            break
        try:
            asked = connection.ask(lines)
            instance.deadlines.watch(asked)
            return connection, await asked
        except UpstreamLost as error:
            connection.close()
            lost = error
            if not error.before_response:
                break
        except BaseException:
            connection.close()
            raise
    message = f"The connection to the deployment '{deployment.name}' was lost before a response: {lost}."
    raise RouterError(502, "BadGateway", message, [(REASON_HEADER, b"model_connection_lost")])


def _not_ready(deployment: Deployment) -> RouterError:
    unhealthy_reason = deployment.unhealthy_reason or "its readiness probe has not succeeded yet"
    message = f"The deployment '{deployment.name}' is not ready ({deployment.health}): {unhealthy_reason}."
    return RouterError(503, "ModelNotReady", message, [(REASON_HEADER, b"model_not_ready"), (b"retry-after", b"1")])


def _too_many(deployment: Deployment, instance: Instance) -> RouterError:
    plan = instance.plan
    message = (
        f"The deployment '{deployment.name}' has too many requests: it processes {plan.max_concurrent} at once, and at "
        f"most {plan.max_admitted - plan.max_concurrent} more wait for up to {plan.queue_wait:g} seconds. The limits "
        "are max_concurrent_requests_per_instance and max_queue_wait_ms of its request_settings."
    )
    headers = [(REASON_HEADER, b"too_many_pending_requests"), (b"retry-after", b"1")]
    return RouterError(429, "TooManyRequests", message, headers)
