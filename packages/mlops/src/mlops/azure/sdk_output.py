"""Keeps what Azure's SDK prints while it works off our output: dots, ends of colours, its own warnings.

Standard output belongs to the result of a command. Errors are raised, not printed, so none is lost here.
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


class _Hush:
    """Standard output and error put away as long as anybody asks for it, from whatever thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asking = 0
        self._away = contextlib.ExitStack()

    def begin(self) -> None:
        """Put both away, if nobody has yet."""
        with self._lock:
            self._asking += 1
            if self._asking == 1:
                self._away.enter_context(contextlib.redirect_stdout(io.StringIO()))
                self._away.enter_context(contextlib.redirect_stderr(io.StringIO()))

    def end(self) -> None:
        """Put both back, once nobody asks any more: in another order the wrong ones would come back."""
        with self._lock:
            self._asking -= 1
            if self._asking == 0:
                self._away.close()


_hush = _Hush()


@contextlib.contextmanager
def suppress_output() -> Generator[None]:
    """Throw away what is printed inside; wrap calls of the SDK in it, nothing that speaks to people."""
    _hush.begin()
    try:
        yield
    finally:
        _hush.end()


def silence_loggers() -> None:
    """Let the SDK log errors only; call it before the first import of the SDK, which logs while it is imported."""
    for name in _CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(azure|msrest|marshmallow)(\.|$)")
