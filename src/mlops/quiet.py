"""Keeps what Azure's SDK prints while it works off our output: dots, ends of colours, its own warnings.

Standard output belongs to the result of a command. Errors are raised, not printed, so none is lost here.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Generator


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Throw away what is printed inside; wrap calls of the SDK in it, nothing that speaks to people."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
