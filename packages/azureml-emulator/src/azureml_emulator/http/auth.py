"""Who may ask: the managed identity's token route, and the middleware that demands a token.

Routes with keys of their own (scoring, storage signatures, the token route) check those themselves.
"""

from __future__ import annotations

import hmac
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from azureml_emulator.kernel.errors import BadRequest, Unauthorized, error_document
from azureml_emulator.security.tokens import PRINCIPAL, TENANT, Tokens

# Everything below these needs a token; compared without case, as Azure's front doors do.
PROTECTED = (
    "/subscriptions",
    "/mferp/",
    "/registrymanagement/",
    "/history/",
    "/data/",
    "/modelregistry/",
    "/mlflow/",
    "/_emulator/summary",
    "/_emulator/metrics",
    "/_emulator/control/",
)
_SCHEME = "bearer "


class TokenRoute:
    """`/msi/token`: App Service's managed identity, which DefaultAzureCredential finds by itself."""

    def __init__(self, tokens: Tokens, identity_header: str) -> None:
        self._tokens = tokens
        self._identity_header = identity_header.encode()

    async def serve(self, request: Request) -> Response:
        """Issue a token to a caller that knows this state folder's secret."""
        given = request.headers.get("X-IDENTITY-HEADER", "").encode()
        if not hmac.compare_digest(given, self._identity_header):
            raise Unauthorized("The X-IDENTITY-HEADER is not this emulator's: take it from `azureml-emulator env`.")
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


class DemandToken:
    """Middleware: answers 401 for a protected route without a token of ours."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and scope["path"].lower().startswith(PROTECTED):
            try:
                check_bearer(_authorization(scope), self._tokens)
            except Unauthorized as error:
                await _challenge(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def check_bearer(authorization: str, tokens: Tokens) -> dict[str, Any]:
    """The token's claims. Raises Unauthorized unless the header's value is `Bearer` and a token of ours."""
    if not authorization.lower().startswith(_SCHEME):
        message = "Authentication failed. The 'Authorization' header is missing or has no Bearer token."
        raise Unauthorized(message, code="AuthenticationFailed")
    return tokens.check(authorization[len(_SCHEME) :].strip())


def _authorization(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value.decode("latin-1")
    return ""


def _challenge(error: Unauthorized) -> Response:
    place = f"https://login.windows.net/{TENANT}"
    challenge = f'Bearer authorization_uri="{place}", error="invalid_token", error_description="{error.message}"'
    return JSONResponse(error_document(error), error.status, headers={"WWW-Authenticate": challenge})
