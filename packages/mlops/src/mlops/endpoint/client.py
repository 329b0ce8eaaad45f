"""One HTTP request to an endpoint's scoring URI, body and reply unchanged.

Not the SDK's `invoke`: it parses and rewrites the body, keeps headers between calls, and hides the reply of a
failed request.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from azure.ai.ml import MLClient

from mlops.core.errors import EndpointUnreachable, RequestRefused
from mlops.githost.hosts import mask


def trust() -> ssl.SSLContext:
    """The certificates that the environment names now; loading them takes as long as many requests.

    Not the ones that libraries load on import: that happens before the variables of a workspace are known.
    """
    return _trust_in(ssl.get_default_verify_paths())


@lru_cache(maxsize=1)
def _trust_in(_places: ssl.DefaultVerifyPaths) -> ssl.SSLContext:
    return ssl.create_default_context()


TIMEOUT_SECONDS: Final = 60.0
DEPLOYMENT_HEADER: Final = "azureml-model-deployment"
# Identifies a prediction when its outcome becomes known.
REQUEST_ID_HEADER: Final = "x-request-id"
# Marks the project's own requests, which score.py does not collect for monitoring.
SYNTHETIC_HEADER: Final = "x-mlops-synthetic"
# Managed endpoints answer 424 for every status of the model except 200, and report the model's own here.
MODEL_STATUS_HEADER: Final = "ms-azureml-model-error-statuscode"
_REFUSALS: Final[dict[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "The key has been rotated meanwhile: run the command again.",
    HTTPStatus.NOT_FOUND: "`mlops status` shows the deployments that exist.",
    HTTPStatus.BAD_REQUEST: "Correct the request; endpoints/README.md shows the accepted forms.",
}
_OTHER_REFUSAL: Final = "`mlops status` shows the state of the deployments."


@dataclass(frozen=True)
class Address:
    """An endpoint's scoring URI and key."""

    scoring_uri: str
    key: str


@dataclass(frozen=True)
class Reply:
    """An endpoint's reply; `deployment` is the one that answered, `model_status` the model's own status."""

    status: int
    body: bytes
    deployment: str | None
    model_status: int | None = None

    def json(self) -> Any:
        """The body as JSON. Raises RequestRefused if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise RequestRefused(f"the endpoint answered {self.status} with a body that is not JSON") from error


def call(
    address: Address, body: bytes, deployment: str | None = None, more_headers: Mapping[str, str] | None = None
) -> Reply:
    """Post a request to the named deployment or where the traffic goes. Raises EndpointUnreachable without a reply."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {address.key}", **(more_headers or {})}
    if deployment:
        headers[DEPLOYMENT_HEADER] = deployment
    request = urllib.request.Request(address.scoring_uri, body, headers, method="POST")  # noqa: S310 - the workspace names it
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=trust()) as response:  # noqa: S310
            return _reply(response.status, response.read(), response.headers)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return _reply(refusal.code, refusal.read(), refusal.headers)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise EndpointUnreachable(
            f"{address.scoring_uri} does not answer: {reason}",
            "`mlops status` shows whether the endpoint is up.",
        ) from error


def _reply(status: int, body: bytes, headers: Message) -> Reply:
    own = headers.get(MODEL_STATUS_HEADER, "")
    return Reply(status, body, headers.get(DEPLOYMENT_HEADER), int(own) if own.isdecimal() else None)


def require_success(reply: Reply) -> Reply:
    """Return the reply. Raises RequestRefused, with the endpoint's explanation, for any status but 200."""
    if reply.status == HTTPStatus.OK:
        return reply
    message, details = _explanation(reply.body)
    raise RequestRefused(
        f"the endpoint answered {reply.status}: {message}",
        _REFUSALS.get(reply.status, _OTHER_REFUSAL),
        details,
    )


def _explanation(body: bytes) -> tuple[str, tuple[str, ...]]:
    """The message of an error reply, in score.py's format or Azure's; otherwise the start of the body."""
    text = body.decode("utf-8", errors="replace").strip()
    try:
        error = json.loads(text)["error"]
        message = error["message"]
    except (ValueError, TypeError, KeyError):
        return (text.splitlines() or ["without a message"])[0], ()
    details = error.get("details") or []
    return str(message), tuple(_detail(detail) for detail in details if isinstance(detail, dict))


def _detail(detail: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in detail.items() if value is not None)


def address_of(client: MLClient, endpoint_name: str, scoring_uri: str) -> Address:
    """The endpoint's scoring URI with its current key."""
    keys = client.online_endpoints.get_keys(endpoint_name)
    key = getattr(keys, "primary_key", None) or getattr(keys, "access_token", "")
    mask(key)
    return Address(scoring_uri, key)
