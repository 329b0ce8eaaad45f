"""`mlops init` stopped in the middle: no file is half-written, and the next run completes it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from project_in_git import Init, git

# Stops the command where it writes or deletes its nth file: a draft lies beside the file by then.
STOPPED = """
import os, sys
from mlops.cli.command_line import run

left, number = int(sys.argv[1]), int(sys.argv[2])

def count(event, details):
    global left
    if event in ("os.rename", "os.remove"):
        left -= 1
        if not left:
            os.kill(os.getpid(), number)

sys.addaudithook(count)
sys.exit(run(sys.argv[3:]))
"""


@pytest.mark.parametrize(
    ("moment", "number"),
    [(1, signal.SIGKILL), (2, signal.SIGKILL), (7, signal.SIGKILL), (13, signal.SIGKILL), (7, signal.SIGINT)],
)
def test_stopped_at_any_moment_it_leaves_whole_files_and_the_next_run_completes_them(
    folder: Path, churn: Path, init: Init, moment: int, number: signal.Signals
) -> None:
    # given the texts before and after, and a run that is stopped in between
    def texts() -> dict[str, bytes]:
        files = [each for each in folder.rglob("*") if each.is_file() and ".git" not in each.parts]
        return {str(each.relative_to(folder)): each.read_bytes() for each in files}

    before = texts()
    init(churn)
    after = texts()
    git(folder, "reset", "--hard", "--quiet")
    git(folder, "clean", "-fdxq")
    words = ["--project", str(folder), "init", "--data", str(churn), "--target", "churned"]
    command = [sys.executable, "-c", STOPPED, str(moment), str(int(number)), *words]

    # when
    stopped = subprocess.run(command, capture_output=True, text=True, check=False)

    # then
    assert stopped.returncode == (-number if number == signal.SIGKILL else 130)
    assert not stopped.stderr or "safe to run the command again" in stopped.stderr
    found = texts()
    drafts = {name for name in found if name.rpartition("/")[2].startswith(".") and name not in after}
    assert not drafts or number == signal.SIGKILL
    for name, content in found.items():
        assert name in drafts or name == ".init.yml" or content in (before.get(name), after.get(name))
    init(churn)
    assert texts() == after
