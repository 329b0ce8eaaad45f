"""An emulator for a test suite: a real process on a folder of the test's, to be killed and started again.

For this package's tests and for those of projects that use it. Imports nothing slow.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from azureml_emulator.control import daemon
from azureml_emulator.control.client_variables import variables
from azureml_emulator.control.ready_file import ReadyRecord
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.processes.process_identity import birth
from azureml_emulator.security.secret_keys import read_secret_keys
from azureml_emulator.security.tokens import Tokens


class RunningEmulator:
    """An emulator on one state folder."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.record: ReadyRecord = daemon.start(settings)[0]

    @property
    def base_url(self) -> str:
        """Where it is."""
        return self.record.base_url

    @property
    def variables(self) -> dict[str, str]:
        """What a process needs in its environment before it imports azure.ai.ml, to trust nobody but this emulator."""
        return variables(self.record, public_roots=False)

    def token(self, audience: str = "https://management.azure.com") -> str:
        """An access token of this emulator."""
        key = read_secret_keys(self.settings.state).token_key
        return Tokens(key, Clock()).issue(audience).text

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        os.kill(self.record.pid, signal.SIGKILL)
        daemon.wait_until(lambda: birth(self.record.pid) != self.record.born, daemon.STOP_SECONDS)

    def restart(self) -> None:
        """Start again on the same folder."""
        self.record = daemon.start(self.settings)[0]

    def stop(self) -> None:
        """Stop it; no error when it does not run."""
        daemon.stop(self.settings.state)


@contextmanager
def running_emulator(state: Path, **settings: Any) -> Generator[RunningEmulator]:
    """An emulator on `state` with these settings, stopped at the end."""
    emulator = RunningEmulator(Settings(state=state, **settings))
    try:
        yield emulator
    finally:
        emulator.stop()
