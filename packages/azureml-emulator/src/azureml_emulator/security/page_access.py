"""Who may open MLflow's pages in a browser: who used a one-time link has a cookie.

A browser sends a cookie to every port of a host, also to one on which another user listens. So the pages have a path
that only who may read jobs can know, and the cookie is sent below it only. Links and cookies end with the emulator.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

from azureml_emulator.kernel.clock import Clock

LINK_SECONDS: Final = 600
COOKIE: Final = "azureml-emulator-pages"
COOKIE_SECONDS: Final = 12 * 3600
# Of each kind; the oldest makes room.
_MOST: Final = 64
_BYTES: Final = 32


@dataclass
class _Issued:
    """Secrets by their digest, each with the second at which it ends."""

    seconds: int
    ends: dict[bytes, float] = field(default_factory=dict)

    def issue(self, now: float) -> str:
        secret = secrets.token_urlsafe(_BYTES)
        self.ends = {digest: end for digest, end in self.ends.items() if end > now}
        while len(self.ends) >= _MOST:
            del self.ends[next(iter(self.ends))]
        self.ends[_digest(secret)] = now + self.seconds
        return secret

    def is_valid(self, secret: str, now: float) -> bool:
        return self.ends.get(_digest(secret), 0.0) > now

    def take(self, secret: str, now: float) -> bool:
        return self.ends.pop(_digest(secret), 0.0) > now


class PageAccess:
    """Issues links, exchanges each once for a cookie, and checks cookies."""

    def __init__(self, key: str, clock: Clock) -> None:
        self._clock = clock
        self._links = _Issued(LINK_SECONDS)
        self._cookies = _Issued(COOKIE_SECONDS)
        # The same after a restart, so that the addresses of jobs stay valid.
        self.prefix = f"/pages-{hmac.new(key.encode(), b'pages of MLflow', hashlib.sha256).hexdigest()[:32]}"

    def link(self) -> str:
        """The path of a new one-time link."""
        return f"{self.prefix}/open/{self._links.issue(self._now())}/"

    def redeem(self, code: str) -> str | None:
        """The cookie for the code of a link; None for one that was used, has expired or never was."""
        now = self._now()
        return self._cookies.issue(now) if self._links.take(code, now) else None

    def allows(self, cookie: str) -> bool:
        """Whether a cookie is valid."""
        return self._cookies.is_valid(cookie, self._now())

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
