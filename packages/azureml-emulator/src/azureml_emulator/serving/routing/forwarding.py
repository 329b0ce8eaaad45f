"""One request at one deployment: waits for its place, asks the server within the time allowed, counts.

Knows no endpoint and no caller. A request whose connection broke before a byte of an answer had come is
sent once more, as a front door does: scoring must be free of side effects.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from azureml_emulator.serving.servers.fleet import Deployment
from azureml_emulator.serving.servers.instance import Instance, TooManyRequests
from azureml_emulator.serving.servers.upstream import Answer, Connection, Headers, UpstreamLost

REQUEST_ID = b"x-request-id"
REASON_HEADER = b"ms-azureml-model-error-reason"
_ATTEMPTS = 2
_JOINED_BYTES = 1 << 16
# What Azure's logs call a request whose caller went away before an answer.
_CALLER_GONE = 499


class Refusal(Exception):
    """An answer that is not the model's."""

    def __init__(self, status: int, code: str, message: str, headers: Headers | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers: Headers = headers or []


@dataclass(frozen=True)
class Question:
    """One request as it goes to a server: the request line, headers without a length, the body."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes

    @property
    def request_id(self) -> str:
        """What the caller, or the router, named the request."""
        return next((value.decode("latin-1") for name, value in self.headers if name == REQUEST_ID), "")

    def lines(self) -> list[bytes]:
        """The request as HTTP/1.1."""
        fields = b"".join([b"%b: %b\r\n" % header for header in self.headers])
        head = b"%b %b HTTP/1.1\r\nHost: localhost\r\n%bContent-Length: %d\r\n\r\n" % (
            self.method,
            self.target,
            fields,
            len(self.body),
        )
        # One piece where copying is cheap: a server that gets two may wait for the second one's packet.
        return [head + self.body] if len(self.body) <= _JOINED_BYTES else [head, self.body]


class Outcome:
    """What became of one request, for the counts: the status answered, the model's own, the time."""

    __slots__ = ("began", "model_status", "status")

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.status = _CALLER_GONE
        self.model_status: int | None = None

    @property
    def seconds(self) -> float:
        """Since the request was taken up."""
        return time.perf_counter() - self.began

    def count(self, deployment: Deployment, *, mirrored: bool = False) -> None:
        """Add it to the deployment's counts."""
        deployment.metrics.add(time.time(), self.status, self.model_status, self.seconds, mirrored=mirrored)


class Exchange:
    """The deployment's answer, while its connection is held: `async with Exchange(...) as answer`.

    Raises Refusal when there is none.
    """

    __slots__ = ("_answer", "_connection", "_deployment", "_instance", "_outcome", "_question")

    def __init__(self, deployment: Deployment, question: Question, outcome: Outcome) -> None:
        self._deployment = deployment
        self._question = question
        self._outcome = outcome

    async def __aenter__(self) -> Answer:
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
        if collector is not None and collector.takes_payloads:
            self._answer.kept = []
        return self._answer

    async def __aexit__(self, failure: object, *_: object) -> None:
        self._instance.pool.give(self._connection)
        self._instance.release()
        collector, kept = self._instance.start.collector, self._answer.kept
        if collector is not None and kept is not None and failure is None:
            asked = self._question
            target, method = asked.target.decode("latin-1"), asked.method.decode("latin-1")
            collector.payloads(target, method, asked.request_id, asked.body, b"".join(kept))


async def copy_to(deployment: Deployment, question: Question) -> None:
    """Ask a mirror the same question, count what became of it, and forget the answer."""
    outcome = Outcome()
    try:
        async with Exchange(deployment, question, outcome) as answer:
            async for _ in answer.chunks():
                pass
    except Refusal as refusal:
        outcome.status = refusal.status
    except UpstreamLost:
        outcome.status = 502
    finally:
        outcome.count(deployment, mirrored=True)


async def _ask(deployment: Deployment, instance: Instance, question: Question) -> tuple[Connection, Answer]:
    try:
        return await _attempt(deployment, instance, question.lines())
    except TimeoutError:
        limit = instance.plan.request_timeout
        status = 408 if instance.plan.managed else 504
        message = (
            f"The deployment '{deployment.name}' did not answer within {limit:g} seconds. The limit is "
            "request_timeout_ms of its request_settings."
        )
        raise Refusal(status, "RequestTimeout", message, [(REASON_HEADER, b"request_timeout")]) from None


async def _attempt(deployment: Deployment, instance: Instance, lines: list[bytes]) -> tuple[Connection, Answer]:
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
            if not error.untouched:
                break
        except BaseException:
            connection.close()
            raise
    message = f"The connection to the deployment '{deployment.name}' broke before it answered: {lost}."
    raise Refusal(502, "BadGateway", message, [(REASON_HEADER, b"model_connection_lost")])


def _not_ready(deployment: Deployment) -> Refusal:
    trouble = deployment.trouble or "it has not answered its probe yet"
    message = f"The deployment '{deployment.name}' is not up ({deployment.health}): {trouble}."
    return Refusal(503, "ModelNotReady", message, [(REASON_HEADER, b"model_not_ready"), (b"retry-after", b"1")])


def _too_many(deployment: Deployment, instance: Instance) -> Refusal:
    plan = instance.plan
    message = (
        f"The deployment '{deployment.name}' has too many requests: {plan.worked_on} are worked on and at "
        f"most {plan.admitted - plan.worked_on} wait, no longer than {plan.queue_wait:g} seconds. The limits "
        "are max_concurrent_requests_per_instance and max_queue_wait_ms of its request_settings."
    )
    headers = [(REASON_HEADER, b"too_many_pending_requests"), (b"retry-after", b"1")]
    return Refusal(429, "TooManyRequests", message, headers)
