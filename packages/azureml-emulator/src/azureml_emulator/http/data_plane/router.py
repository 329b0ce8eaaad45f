"""The router of scoring requests: checks the key, picks a deployment, forwards the request and the response.

A bare ASGI application: its time per request is what the emulator adds to the model's, so it reads no store and creates
no framework objects. `serving/routing/forwarding.py` talks to the server of the deployment.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import random

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from azureml_emulator.http.data_plane.single_write import SINGLE_WRITE, SingleWrite
from azureml_emulator.kernel.background import run_once
from azureml_emulator.kernel.clock import RandomSource
from azureml_emulator.kernel.errors import Unauthorized, error_body
from azureml_emulator.security.tokens import Tokens
from azureml_emulator.serving.deployments.endpoints import AUTH_MODES, ENDPOINTS_PREFIX, Endpoint, Endpoints
from azureml_emulator.serving.routing.forwarding import (
    REASON_HEADER,
    REQUEST_ID,
    Exchange,
    ForwardedRequest,
    Outcome,
    RouterError,
    mirror_to,
)
from azureml_emulator.serving.routing.traffic import DEPLOYMENT_HEADER
from azureml_emulator.serving.servers.fleet import Deployment, Fleet
from azureml_emulator.serving.servers.upstream import Headers, UpstreamLost, UpstreamResponse

BODY_LIMIT_BYTES = 100 * 1024 * 1024
# The limit of unfinished copies per deployment. What a slower mirror cannot take is dropped and counted.
MIRROR_LIMIT = 64
# What Azure's managed endpoints answer for any status of the model other than 200.
MODEL_ERROR_STATUS = 424
_OK = 200
_METHODS = frozenset({"GET", "POST", "OPTIONS"})
_DEPLOYMENT_HEADER = DEPLOYMENT_HEADER.encode()
_CHALLENGE: Headers = [(b"www-authenticate", b"Bearer")]
_CONNECTION_HEADERS = frozenset(
    (b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"proxy-connection")
)
# The key must not reach the model; the other headers belong to the caller's connection.
_NOT_FORWARDED = _CONNECTION_HEADERS | {b"host", b"authorization", b"content-length", b"expect", REQUEST_ID}
# The emulator's own server adds these.
_NOT_RETURNED = _CONNECTION_HEADERS | {b"date", b"server"}


class ScoringRouter:
    """Serves everything below /endpoints/."""

    def __init__(
        self,
        endpoints: Endpoints,
        fleet: Fleet,
        tokens: Tokens,
        *,
        chance: RandomSource = random.random,
        model_errors_as_azure: bool = False,
    ) -> None:
        self._endpoints = endpoints
        self._fleet = fleet
        self._tokens = tokens
        self._chance = chance
        self._model_errors_as_azure = model_errors_as_azure
        self._copies: dict[Deployment, set[asyncio.Task[None]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one scoring request."""
        given: dict[bytes, bytes] = dict(scope["headers"])
        request_id = given.get(REQUEST_ID) or _new_request_id()
        try:
            scheme, _, credential = given.get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer" or not credential:
                # Ahead of anything else, so that nobody without a key finds out which endpoints there are.
                message = "The request has no key or token: send the header 'Authorization: Bearer <key>'."
                raise RouterError(401, "Unauthorized", message, _CHALLENGE)
            endpoint, target = self._find(scope)
            self._authorize(endpoint, credential)
            deployment = _choose(endpoint, given.get(_DEPLOYMENT_HEADER), self._chance)
            body = await _read_body(receive, given)
            if body is None:
                return
            question = ForwardedRequest(scope["method"].encode(), target, _forwarded(scope, request_id), body)
            if _DEPLOYMENT_HEADER not in given:
                self._mirror(endpoint, question)
            await self._answer(deployment, question, scope, send)
        except RouterError as refusal:
            await _send_refusal(send, refusal, request_id)

    async def metrics(self, _: Request) -> Response:
        """Health and counts of every deployment, by ARM id in lower case."""
        return JSONResponse(self._fleet.documents())

    async def stop(self) -> None:
        """Cancel the unfinished copies to mirrors."""
        tasks = [task for tasks in self._copies.values() for task in tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _find(self, scope: Scope) -> tuple[Endpoint, bytes]:
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        guid, _, rest = raw[len(ENDPOINTS_PREFIX) :].partition(b"/")
        name, _, rest = rest.partition(b"/")
        endpoint = self._endpoints.find(guid.decode("latin-1"), name.decode("latin-1"))
        if endpoint is None:
            raise RouterError(404, "NotFound", f"No endpoint has the address {scope['path']}.")
        if scope["method"] not in _METHODS:
            raise RouterError(405, "MethodNotAllowed", f"A scoring address does not accept {scope['method']}.")
        query: bytes = scope["query_string"]
        return endpoint, b"/%b?%b" % (rest, query) if query else b"/" + rest

    def _authorize(self, endpoint: Endpoint, credential: bytes) -> None:
        if endpoint.auth_mode == AUTH_MODES["key"]:
            # Compared with every key, so that the time does not depend on which one matches.
            if not sum(hmac.compare_digest(credential, key) for key in endpoint.keys):
                message = f"The key is not valid for the endpoint '{endpoint.name}': get its current keys."
                raise RouterError(401, "Unauthorized", message, _CHALLENGE)
            return
        try:
            claims = self._tokens.check(credential.decode("latin-1"))
        except Unauthorized as error:
            raise RouterError(401, error.error_code, error.message, _CHALLENGE) from error
        if claims["aud"].rstrip("/") != endpoint.audience:
            message = f"The token is for '{claims['aud']}'; this endpoint requires tokens for '{endpoint.audience}'."
            raise RouterError(401, "Unauthorized", message, _CHALLENGE)

    async def _answer(self, deployment: Deployment, question: ForwardedRequest, scope: Scope, send: Send) -> None:
        outcome = Outcome()
        try:
            async with Exchange(deployment, question, outcome) as answer:
                await self._return(deployment, answer, outcome, scope, send)
        except RouterError as refusal:
            outcome.status = refusal.status
            refusal.headers.append((_DEPLOYMENT_HEADER, deployment.name.encode()))
            raise
        except UpstreamLost:
            # The status is sent already: only an incomplete response can still tell the caller.
            outcome.status = 502
        finally:
            outcome.count(deployment)

    async def _return(
        self, deployment: Deployment, answer: UpstreamResponse, outcome: Outcome, scope: Scope, send: Send
    ) -> None:
        headers = [header for header in answer.headers if header[0] not in _NOT_RETURNED]
        headers.append((_DEPLOYMENT_HEADER, deployment.name.encode()))
        headers.append((b"ms-azureml-model-time", b"%d" % (1000 * outcome.seconds)))
        if answer.status != _OK:
            headers.append((b"ms-azureml-model-error-statuscode", b"%d" % answer.status))
            headers.append((REASON_HEADER, b"model_error"))
            if self._model_errors_as_azure and _is_managed(deployment):
                outcome.status = MODEL_ERROR_STATUS
        body = answer.whole() if answer.complete else None
        single_write: SingleWrite | None = scope.get("extensions", {}).get(SINGLE_WRITE)
        if body is not None and single_write is not None and single_write(outcome.status, headers, body):
            return
        await send({"type": "http.response.start", "status": outcome.status, "headers": headers})
        if body is not None:
            await send({"type": "http.response.body", "body": body})
            return
        async for chunk in answer.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _mirror(self, endpoint: Endpoint, question: ForwardedRequest) -> None:
        name = endpoint.split.pick_mirror(self._chance)
        deployment = endpoint.deployments.get(name) if name is not None else None
        if deployment is None:
            return
        copies = self._copies.setdefault(deployment, set())
        if len(copies) >= MIRROR_LIMIT:
            deployment.metrics.mirror_dropped += 1
            return
        task = run_once(mirror_to(deployment, question), "mirroring a request")
        copies.add(task)
        task.add_done_callback(copies.discard)


class ScoringFirst:
    """Hands scoring requests to the router, ahead of the framework."""

    def __init__(self, app: ASGIApp, scoring: ScoringRouter) -> None:
        self._app = app
        self._scoring = scoring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request, or pass it on."""
        if scope["type"] == "http" and scope["path"].startswith(ENDPOINTS_PREFIX):
            await self._scoring(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_managed(deployment: Deployment) -> bool:
    return deployment.instance is not None and deployment.instance.plan.managed


def _new_request_id() -> bytes:
    # Formatted as a UUID. It is not a secret, so fast random numbers will do.
    digits = b"%032x" % random.getrandbits(128)
    return b"-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _choose(endpoint: Endpoint, asked: bytes | None, chance: RandomSource) -> Deployment:
    name = asked.decode("latin-1") if asked is not None else endpoint.split.pick(chance)
    deployment = endpoint.deployments.get(name) if name is not None else None
    if deployment is not None:
        return deployment
    if asked is None:
        raise RouterError(
            404, "NoDeploymentWithTraffic", f"The endpoint '{endpoint.name}' has no deployment with traffic."
        )
    known = ", ".join(sorted(endpoint.deployments)) or "none"
    message = f"The endpoint '{endpoint.name}' has no running deployment '{name}' (it has: {known})."
    raise RouterError(404, "DeploymentNotFound", message)


def _forwarded(scope: Scope, request_id: bytes) -> Headers:
    headers = [header for header in scope["headers"] if header[0] not in _NOT_FORWARDED]
    headers.append((REQUEST_ID, request_id))
    return headers


async def _read_body(receive: Receive, given: dict[bytes, bytes]) -> bytes | None:
    """The whole body; None when the caller disconnected. Raises RouterError for one that is too large."""
    announced = given.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > BODY_LIMIT_BYTES:
        raise _too_large()
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        return message.get("body", b"")
    parts: list[bytes] = []
    size = 0
    while message["type"] == "http.request":
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_LIMIT_BYTES:
            raise _too_large()
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    return None


def _too_large() -> RouterError:
    return RouterError(413, "PayloadTooLarge", f"The request body is larger than {BODY_LIMIT_BYTES} bytes.")


async def _send_refusal(send: Send, refusal: RouterError, request_id: bytes) -> None:
    body = json.dumps(error_body(refusal.code, refusal.message)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [*refusal.headers, (REQUEST_ID, request_id)]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
