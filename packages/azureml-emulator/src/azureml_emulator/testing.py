"""An emulator for test suites: a real process on a folder of the test, which can be killed and restarted.

For this package's tests and for those of projects that use it. Imports nothing slow.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from azureml_emulator.control import daemon
from azureml_emulator.control.client_variables import variables
from azureml_emulator.control.ready_file import ReadyRecord
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.processes.process_identity import process_start_time
from azureml_emulator.security.secret_keys import read_secret_keys
from azureml_emulator.security.tokens import Tokens

Answer = TypeVar("Answer")
# For what takes a second on an idle machine: a loaded one must not fail a test.
PATIENCE_SECONDS: Final = 300.0
_POLL_SECONDS: Final = 0.05


class RunningEmulator:
    """An emulator on one state folder."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.record: ReadyRecord = daemon.start(settings)[0]

    @property
    def base_url(self) -> str:
        """Its address."""
        return self.record.base_url

    @property
    def variables(self) -> dict[str, str]:
        """The variables that a process needs before it imports azure.ai.ml; it then trusts no other server."""
        return variables(self.record, public_roots=False)

    def token(self, audience: str = "https://management.azure.com") -> str:
        """An access token of this emulator."""
        key = read_secret_keys(self.settings.state).token_key
        return Tokens(key, Clock()).issue(audience).text

    def trust(self) -> ssl.SSLContext:
        """What trusts this emulator."""
        return ssl.create_default_context(cafile=str(self.record.bundle))

    def connect(self) -> ssl.SSLSocket:
        """A connection on which nothing was sent yet."""
        address = urlsplit(self.base_url)
        plain = socket.create_connection((address.hostname or "", address.port or 0), PATIENCE_SECONDS)
        return self.trust().wrap_socket(plain, server_hostname=address.hostname)

    def kill(self) -> None:
        """Send SIGKILL and wait until the process has ended."""
        os.kill(self.record.pid, signal.SIGKILL)
        daemon.wait_until(lambda: process_start_time(self.record.pid) != self.record.start_time, daemon.STOP_SECONDS)

    def restart(self) -> None:
        """Start again on the same state folder."""
        self.record = daemon.start(self.settings)[0]

    def stop(self) -> None:
        """Stop it; no error when it is not running."""
        daemon.stop(self.settings.state)


@contextmanager
def running_emulator(state: Path, **settings: Any) -> Generator[RunningEmulator]:
    """An emulator on the folder `state` with these settings; stopped at the end of the block."""
    emulator = RunningEmulator(Settings(state=state, **settings))
    try:
        yield emulator
    finally:
        emulator.stop()


def wait_for(question: Callable[[], Answer | None], seconds: float = PATIENCE_SECONDS) -> Answer:
    """Ask until the answer is true, and return it. Raises TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"What was waited for did not happen within {seconds:g} seconds; last: {answer!r}.")
        time.sleep(_POLL_SECONDS)
    return answer
