"""Requests to subscribers: the validation handshake, and the delivery of one event per request."""

from __future__ import annotations

import asyncio
import json

import aiohttp

from azureml_emulator.events.cloud_event import CloudEvent
from azureml_emulator.kernel.errors import BadRequest

ORIGIN = "eventgrid.azure.net"
_TIMEOUT = aiohttp.ClientTimeout(total=30)
_CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
_NO_ANSWER = 0


class Webhooks:
    """Validates addresses and delivers events. The HTTP session is created on first use, in the event loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def validate(self, url: str) -> None:
        """Ask an address whether it accepts events. Raises BadRequest unless it allows our origin."""
        try:
            headers = {"WebHook-Request-Origin": ORIGIN, "WebHook-Request-Rate": "120"}
            async with self._open().options(url, headers=headers, allow_redirects=False, timeout=_TIMEOUT) as reply:
                allowed = reply.headers.get("WebHook-Allowed-Origin", "")
                outcome = f"it answered {reply.status}, WebHook-Allowed-Origin '{allowed}'"
                agrees = reply.ok and allowed in {"*", ORIGIN}
        except (aiohttp.ClientError, TimeoutError) as error:
            agrees, outcome = False, f"it did not answer: {error or type(error).__name__}"
        if not agrees:
            raise BadRequest(
                f"Webhook validation handshake failed for {url}: {outcome}. It must answer OPTIONS with 200 and "
                f"WebHook-Allowed-Origin: {ORIGIN}.",
                code="Endpoint validation",
            )

    async def deliver(self, url: str, subscription: str, event: CloudEvent, attempt: int) -> int:
        """Send one event. Returns the status of the response, 0 for none."""
        headers = {
            "Content-Type": _CONTENT_TYPE,
            "aeg-event-type": "Notification",
            "aeg-subscription-name": subscription.upper(),
            "aeg-delivery-count": str(attempt - 1),
        }
        body = json.dumps(event).encode()
        try:
            reply = await self._open().post(url, data=body, headers=headers, allow_redirects=False, timeout=_TIMEOUT)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError):
            return _NO_ANSWER
        reply.release()
        return reply.status

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session
