"""What programs take from their start to their end: processor time of all, and memory of the largest process.

Linux and macOS count it for ended children: nothing has to be watched meanwhile.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_KILOBYTES = 1 if sys.platform != "darwin" else 1 / 1024


@dataclass(frozen=True)
class Cost:
    """Seconds of processor time of all processes, and megabytes of the largest one."""

    seconds: float
    megabytes: float

    def __str__(self) -> str:
        return f"{self.seconds:8.1f} s {self.megabytes:8.0f} MB"


@dataclass(frozen=True)
class Program:
    """A command, the variables that it has beside those of this process, and its working folder."""

    words: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


def as_ranks(words: Sequence[str], size: int) -> list[Program]:
    """The processes of a distributed job on this machine."""
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    return [Program(words, {**shared, "RANK": str(rank)}) for rank in range(size)]


def run_together(*programs: Program) -> Cost:
    """Run programs at the same time, which must succeed."""
    with tempfile.TemporaryFile() as log:
        children = [
            subprocess.Popen(
                each.words, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **each.variables}, cwd=each.folder
            )
            for each in programs
        ]
        seconds, kilobytes = 0.0, 0.0
        for child in children:
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            seconds += usage.ru_utime + usage.ru_stime
            kilobytes = max(kilobytes, usage.ru_maxrss * _KILOBYTES)
        if any(child.returncode for child in children):
            log.seek(0)
            raise SystemExit(f"{programs[0].words} failed:\n{log.read().decode(errors='replace')[-3000:]}")
    return Cost(seconds, kilobytes / 1e3)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
