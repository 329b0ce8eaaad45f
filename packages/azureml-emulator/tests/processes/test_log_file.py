"""Logs of running processes stay below their limit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from azureml_emulator.processes.log_file import last_lines, shorten
from azureml_emulator.testing import wait_for

LIMIT = 10_000
WRITER = "import sys\nfor line in sys.stdin:\n print(line * 200, end='', flush=True)"


def test_the_log_of_a_running_process_is_shortened_in_place(tmp_path: Path) -> None:
    # given a process that appends to its log
    log = tmp_path / "log.txt"
    with log.open("ab") as output:
        process = subprocess.Popen([sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=output, text=True)
    stdin = process.stdin
    assert stdin is not None
    with process:
        stdin.write(f"{'a' * 99}\n")
        stdin.flush()
        wait_for(lambda: log.stat().st_size == 20_000)
        # when the log is longer than it may be
        assert shorten(log, LIMIT)
        # then its oldest lines are dropped, whole ones, and it says so
        first, *lines = log.read_text().splitlines()
        assert "15000 bytes were dropped" in first
        assert lines == ["a" * 99] * 50
        # and the process goes on writing at its end
        stdin.write("b\n")
        stdin.flush()
        wait_for(lambda: last_lines(log, 1) == ["b"] and len(log.read_text().splitlines()) == 251)
        stdin.close()
    assert not shorten(log, LIMIT)


def test_a_log_that_is_gone_is_none(tmp_path: Path) -> None:
    assert not shorten(tmp_path / "log.txt", LIMIT)
