"""gunicorn's logger without an access log, since the inference server logs every request itself.

Named on the server's command line. Imports nothing of the emulator.
"""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger


class NoAccessLog(Logger):
    """Logs errors and lifecycle events like gunicorn, but no requests."""

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Log nothing."""
