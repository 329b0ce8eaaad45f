"""Authentication: the managed identity's token route, and the middleware that requires a token.

Every route requires one, also those that do not exist, unless it is named here: open to all, or with credentials of its
own (endpoint keys, storage signatures, the token route's secret), which the route checks itself.
"""

from __future__ import annotations

import hmac
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from azureml_emulator.kernel.errors import BadRequest, Unauthorized, error_document
from azureml_emulator.security.tokens import MLFLOW_AUDIENCE, PRINCIPAL, TENANT, Tokens

# Clients ask these before they have a token.
_OPEN = frozenset({"/metadata/endpoints", "/discovery", "/msi/token"})
# Batch endpoints, topics of Event Grid, and accounts of the Blob service (`blob_service/service.py`).
_OWN_CREDENTIALS = re.compile(r"/(?:batch|eventgrid|emu[0-9a-f]{12})(?:/|$)")
# What the token of MLflow's clients opens. Compared without case, as Azure does.
_MLFLOW = ("/mlflow/", "/history/")
_SCHEME = "bearer "


class TokenRoute:
    """`/msi/token`: App Service's managed identity, which DefaultAzureCredential finds by itself."""

    def __init__(self, tokens: Tokens, identity_header: str) -> None:
        self._tokens = tokens
        self._identity_header = identity_header.encode()

    def routes(self) -> list[Route]:
        """The one route of this class."""
        return [Route("/msi/token", self.serve)]

    async def serve(self, request: Request) -> Response:
        """Issue a token to a caller that knows the secret of the state folder."""
        given = request.headers.get("X-IDENTITY-HEADER", "").encode()
        if not hmac.compare_digest(given, self._identity_header):
            raise Unauthorized("X-IDENTITY-HEADER is wrong: `azureml-emulator env` prints the one of this emulator.")
        resource = request.query_params.get("resource", "")
        if not resource:
            raise BadRequest("The query parameter 'resource' is missing.", target="resource")
        token = self._tokens.issue(resource)
        return JSONResponse(
            {
                "access_token": token.text,
                "expires_on": str(token.expires),
                "resource": token.audience,
                "token_type": "Bearer",
                "client_id": PRINCIPAL,
            }
        )


class RequireToken:
    """Middleware: answers 401 without a valid token, except where no token of Azure is asked for."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] == "http" and not _is_open(scope["path"]):
            try:
                claims = check_bearer(_authorization(scope), self._tokens)
                if claims["aud"] == MLFLOW_AUDIENCE and not scope["path"].lower().startswith(_MLFLOW):
                    raise Unauthorized("The token is for MLflow only.", code="InvalidAuthenticationToken")
            except Unauthorized as error:
                await _challenge(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def check_bearer(authorization: str, tokens: Tokens) -> dict[str, Any]:
    """The claims of the token in an Authorization header. Raises Unauthorized for any other header."""
    if not authorization.lower().startswith(_SCHEME):
        message = "Authentication failed. The 'Authorization' header is missing or has no Bearer token."
        raise Unauthorized(message, code="AuthenticationFailed")
    return tokens.check(authorization[len(_SCHEME) :].strip())


def _is_open(path: str) -> bool:
    return path in _OPEN or _OWN_CREDENTIALS.match(path) is not None


def _authorization(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value.decode("latin-1")
    return ""


def _challenge(error: Unauthorized) -> Response:
    authority = f"https://login.windows.net/{TENANT}"
    challenge = f'Bearer authorization_uri="{authority}", error="invalid_token", error_description="{error.message}"'
    return JSONResponse(error_document(error), error.status, headers={"WWW-Authenticate": challenge})
