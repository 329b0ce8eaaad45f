"""MLflow as people and steps see it: its REST API by TLS with a token, and its web pages by plain HTTP with a cookie.

The model registry is answered from the workspace. Everything else is passed to MLflow's server; what changes runs, the
workspace hears. `https://…/<id of a workspace>` is the address for one workspace, and the bare one for the default.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from yarl import URL

from azureml_emulator.http.auth import check_bearer
from azureml_emulator.http.data_plane.mlflow_pages import PROTECTION, MlflowPages
from azureml_emulator.http.data_plane.mlflow_registry import RegistryApi
from azureml_emulator.http.data_plane.mlflow_stalls import StallGuard
from azureml_emulator.http.local_host import LOCAL_HOSTS
from azureml_emulator.jobs.tracking.artifact_locations import check_locations
from azureml_emulator.jobs.tracking.gateway import Gateway, api_route
from azureml_emulator.jobs.tracking.http_client import HttpClient
from azureml_emulator.jobs.tracking.mlflow_server import MlflowServer
from azureml_emulator.kernel.background import keep_running
from azureml_emulator.kernel.errors import EmulatorError, Forbidden, Unauthorized
from azureml_emulator.kernel.resource_id import PROVIDER, Scope
from azureml_emulator.kernel.settings import LOOPBACK, ConnectionLimits
from azureml_emulator.processes.listeners import Listeners
from azureml_emulator.resources.model_registry.versions import REGISTERED_ARTIFACTS
from azureml_emulator.resources.scopes import Scopes
from azureml_emulator.security.certificates import Certificates
from azureml_emulator.security.page_access import PageAccess
from azureml_emulator.security.tokens import RUN_CLAIM, Tokens
from azureml_emulator.storage.blobs import IMMUTABLE_PREFIX, Blobs

_WORKSPACE = re.compile(
    r"^/subscriptions/(?P<s>[^/]+)/resourceGroups/(?P<g>[^/]+)"
    rf"/providers/{re.escape(PROVIDER)}/workspaces/(?P<w>[^/]+)(?P<rest>/.*)?$",
    re.IGNORECASE,
)
_ARTIFACTS = re.compile(r"^/(?:ajax-)?api/2\.0/mlflow-artifacts/artifacts(?:/(?P<path>.*))?$")
# Files, which are passed on in pieces; everything else is JSON that is read first.
_FILES = re.compile(r"^/(?:ajax-)?api/2\.0/(?:mlflow-artifacts/artifacts/.+|mlflow/upload-artifact)$")
# These concern one connection, and the two sides have different ones; the secrets are the emulator's.
_NOT_PASSED = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"}
    | {"authorization", "cookie"}
)
_READABLE = frozenset({"GET", "HEAD"})
# MLflow prints this address as that of its pages.
_HINT = (
    "Programs need MLFLOW_TRACKING_TOKEN: `azureml-emulator env` prints it. For a browser, `azureml-emulator status` "
    "and `mlops up` print a link."
)
_SHUTDOWN_SECONDS = 1.0
_CHUNK_BYTES = 256 * 1024
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)


class MlflowFront:
    """The server of MLflow's two addresses."""

    def __init__(
        self,
        server: MlflowServer,
        gateway: Gateway,
        registry: RegistryApi,
        http_client: HttpClient,
        scopes: Scopes,
        blobs: Blobs,
        default: Scope,
        listeners: Listeners,
        tokens: Tokens,
        access: PageAccess,
        certificates: Certificates,
        limits: ConnectionLimits,
    ) -> None:
        self._server = server
        self._gateway = gateway
        self._registry = registry
        self._outgoing = http_client
        self._scopes = scopes
        self._blobs = blobs
        self._default = default
        self._listeners = listeners
        self._tokens = tokens
        self._access = access
        self._pages = MlflowPages(access)
        self._certificates = certificates
        self._guard = StallGuard(limits)
        self._closing_stalled: asyncio.Task[None] | None = None
        self._runner: web.ServerRunner | None = None

    async def open(self) -> None:
        """Listen on the ports of last time, or on any free ones."""
        port, pages_port = self._server.last_ports()
        programs = self._listeners.tcp("mlflow", port)
        pages = self._listeners.tcp("mlflow pages", pages_port)
        self._server.public = f"https://{LOOPBACK}:{programs.getsockname()[1]}"
        self._server.pages = f"http://{LOOPBACK}:{pages.getsockname()[1]}{self._access.prefix}"
        secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        secure.load_cert_chain(self._certificates.server, self._certificates.server_key)
        server = web.Server(self._serve, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        self._closing_stalled = keep_running(lambda: self._guard.run(server), "closing stalled connections to MLflow")
        await web.SockSite(self._runner, programs, ssl_context=secure).start()
        await web.SockSite(self._runner, pages).start()

    def link(self) -> str:
        """A new one-time link to the pages."""
        return f"{self._server.pages.removesuffix(self._access.prefix)}{self._access.link()}"

    async def close(self) -> None:
        """Stop listening."""
        if self._closing_stalled is not None:
            self._closing_stalled.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        with self._guard.serving(request):
            return await self._checked(request)

    async def _checked(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            _refuse_other_sites(request)
            if request.secure:
                return await self._answer(request, request.rel_url.raw_path, self._run_of_token(request))
            return self._pages.redeemed(request) or await self._answer(request, self._pages.path_of(request), run="")
        except EmulatorError as error:
            answer = self._registry.refusal(error)
            return web.json_response(answer.document, status=answer.status, headers=PROTECTION)

    def _run_of_token(self, request: web.BaseRequest) -> str:
        """The run of the step that asks; empty for any other program. Raises Unauthorized without a valid token."""
        try:
            return check_bearer(request.headers.get("Authorization", ""), self._tokens).get(RUN_CLAIM, "")
        except Unauthorized as error:
            raise Unauthorized(f"{error.message} {_HINT}", code=error.error_code) from error

    async def _answer(self, request: web.BaseRequest, raw_path: str, run: str) -> web.StreamResponse:
        scope, raw_path = self._target(raw_path)
        # What MLflow's server will take it for.
        path = unquote(raw_path)
        query = list(request.rel_url.query.items())
        route = api_route(path)
        if self._registry.answers(route):
            self._scopes.require(scope)
            answer = await self._registry.answer(scope, request.method, route, query, await _body(request))
            return web.json_response(answer.document, status=answer.status)
        artifacts = _ARTIFACTS.match(path)
        if artifacts is not None:
            named = (artifacts["path"] or request.rel_url.query.get("path", "")).strip("/")
            if named.split("/")[0] == REGISTERED_ARTIFACTS:
                return self._registered(request, named, is_list=not artifacts["path"])
        if self._gateway.is_interested(request.method, path) or self._gateway.answers_itself(path):
            self._scopes.require(scope)
            body = self._gateway.with_run(scope, route, await _body(request), run)
            reply = await self._gateway.exchange(scope, request.method, path, query, body)
            return web.Response(body=reply.body, status=reply.status, content_type=reply.content_type)
        return await self._passed_on(request, raw_path, is_file=_FILES.match(path) is not None)

    def _target(self, raw_path: str) -> tuple[Scope, str]:
        """The workspace that a request is for, and the path below its address."""
        match = _WORKSPACE.match(raw_path)
        if match is None:
            return self._default, raw_path
        names = [unquote(match[name]) for name in "sgw"]
        return Scope(names[0], names[1], "workspaces", names[2]), match["rest"] or "/"

    async def _passed_on(self, request: web.BaseRequest, path: str, *, is_file: bool) -> web.StreamResponse:
        if is_file:
            body = request.content if request.can_read_body else None
        else:
            body = await _checked_body(request)
        address = await self._server.ready()
        query = request.rel_url.raw_query_string
        url = URL(f"{address}{path}{f'?{query}' if query else ''}", encoded=True)
        try:
            async with self._outgoing.session.request(
                request.method,
                url,
                data=body,
                headers=_passed_headers(request.headers),
                allow_redirects=False,
                timeout=_NO_TIMEOUT,
            ) as answer:
                headers = {**_passed_headers(answer.headers), **PROTECTION}
                if request.method != "HEAD" and (answer.content_length or _CHUNK_BYTES) < _CHUNK_BYTES:
                    # In one record of TLS.
                    return web.Response(body=await answer.read(), status=answer.status, headers=headers)
                reply = web.StreamResponse(status=answer.status, headers=headers)
                await reply.prepare(request)
                async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                    await reply.write(chunk)
                await reply.write_eof()
                return reply
        except aiohttp.ClientConnectionError as error:
            message = {"error_code": "TEMPORARILY_UNAVAILABLE", "message": f"MLflow does not answer: {error}"}
            return web.json_response(message, status=HTTPStatus.SERVICE_UNAVAILABLE)

    def _registered(self, request: web.BaseRequest, named: str, *, is_list: bool) -> web.StreamResponse:
        """A file of a registered model, or the list of a folder's files. They can only be read."""
        path = self._registered_path(named)
        if request.method not in _READABLE or path is None or not path.exists():
            code = "RESOURCE_DOES_NOT_EXIST" if request.method in _READABLE else "PERMISSION_DENIED"
            status = HTTPStatus.NOT_FOUND if request.method in _READABLE else HTTPStatus.FORBIDDEN
            message = f"'{named}' is not a file of a registered model, or cannot be changed."
            return web.json_response({"error_code": code, "message": message}, status=status)
        if not is_list:
            return web.FileResponse(path)
        entries = sorted(path.iterdir()) if path.is_dir() else []
        return web.json_response({"files": [_described(entry) for entry in entries]})

    def _registered_path(self, named: str) -> Path | None:
        """The path of `registered/<account>/<container>/azureml-registered/…`; None for any other."""
        _, *parts = named.split("/")
        if len(parts) < 3 or f"{parts[2]}/" != IMMUTABLE_PREFIX:
            return None
        return self._blobs.path(parts[0], parts[1], "/".join(parts[2:]))


def _refuse_other_sites(request: web.BaseRequest) -> None:
    """Raise Forbidden for what a web page of another site sends, also of one whose name was pointed at this machine."""
    if request.headers.get("Host", "").partition(":")[0] not in LOCAL_HOSTS:
        raise Forbidden(f"MLflow is served on {' and '.join(LOCAL_HOSTS)} only.")
    origin = request.headers.get("Origin")
    if request.method not in _READABLE and origin is not None and URL(origin).host not in LOCAL_HOSTS:
        raise Forbidden(f"Pages of {origin} cannot change what MLflow has.")


async def _body(request: web.BaseRequest) -> bytes:
    # Not `request.read()`, which refuses more than a megabyte.
    return await request.content.read()


async def _checked_body(request: web.BaseRequest) -> bytes | None:
    body = await _body(request)
    check_locations(body)
    return body or None


def _passed_headers(headers: Any) -> dict[str, str]:
    return {name: text for name, text in headers.items() if name.lower() not in _NOT_PASSED}


def _described(path: Path) -> dict[str, Any]:
    size = {} if path.is_dir() else {"file_size": path.stat().st_size}
    return {"path": path.name, "is_dir": path.is_dir(), **size}
