"""Suppresses what Azure's SDK prints while it works: dots, colour codes, its own warnings.

Standard output is reserved for the result of a command. Errors are raised, not printed, so none is lost.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Generator
from threading import Lock
from typing import Final

_CHATTY_LOGGERS: Final = (
    "azure",
    "azure.ai.ml",
    "azure.ai.ml._telemetry",
    "azure.ai.ml._utils._experimental",
    "azure.identity",
    "msrest",
    "urllib3",
)


class _OutputRedirect:
    """Redirects standard output and error while at least one thread needs it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asking = 0
        self._away = contextlib.ExitStack()

    def begin(self) -> None:
        """Redirect both, unless they already are."""
        with self._lock:
            self._asking += 1
            if self._asking == 1:
                self._away.enter_context(contextlib.redirect_stdout(io.StringIO()))
                self._away.enter_context(contextlib.redirect_stderr(io.StringIO()))

    def end(self) -> None:
        """Restore both after the last user: in any other order the wrong streams would be restored."""
        with self._lock:
            self._asking -= 1
            if self._asking == 0:
                self._away.close()


_hush = _OutputRedirect()


@contextlib.contextmanager
def suppress_output() -> Generator[None]:
    """Discard what is printed inside; wrap only calls of the SDK in it, no messages to people."""
    _hush.begin()
    try:
        yield
    finally:
        _hush.end()


def silence_loggers() -> None:
    """Make the SDK log only errors; call it before the first import of the SDK, which logs during import."""
    for name in _CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(azure|msrest|marshmallow)(\.|$)")
