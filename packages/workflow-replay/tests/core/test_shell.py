"""Scripts in a real shell: their output, their end, and what they leave behind."""

import os
import time
from pathlib import Path
from threading import Timer

import pytest

from workflow_replay.shell import NOT_FOUND, Leftovers, run_script
from workflow_replay.stopping import Cancellation

PATIENCE_SECONDS = 20.0


def script(folder: Path, text: str) -> list[str]:
    file = folder / "script.sh"
    file.write_text(text)
    return ["bash", "-e", str(file)]


def variables() -> dict[str, str]:
    return {"PATH": os.environ["PATH"]}


def test_both_streams_come_line_by_line_and_only_the_given_variables_are_there(tmp_path: Path) -> None:
    lines: list[str] = []
    command = script(tmp_path, 'echo one\necho two >&2\necho "$SECRET-${HOME-unset}-$PWD"\nfalse\necho never\n')

    result = run_script(command, tmp_path, variables() | {"SECRET": "x"}, lines.append, Cancellation())

    assert (result.exit_code, result.ending) == (1, "ended")
    assert lines == ["one", "two", f"x-unset-{tmp_path}"]


def test_a_timeout_ends_the_script_and_its_children(tmp_path: Path) -> None:
    command = script(tmp_path, "sleep 60 & echo $! > draft\nmv draft child\nwait\n")
    child, seconds = tmp_path / "child", 0.25

    # On a busy machine the script may need longer to get as far as its child.
    while not child.exists():
        seconds *= 2
        assert seconds < PATIENCE_SECONDS
        result = run_script(command, tmp_path, variables(), print, Cancellation(), timeout_seconds=seconds)

        assert result.ending == "timed out"
        assert result.exit_code != 0
    assert gone(int(child.read_text()))


def test_a_cancellation_interrupts_so_that_a_script_can_clean_up(tmp_path: Path) -> None:
    cancellation = Cancellation()
    lines: list[str] = []
    # bash forgets an interrupt that comes just as a command of it ends well; `wait` forgets none. The child says
    # itself that it is ready: one interrupted before it ignores interrupts would be gone when the trap ends it.
    waiting = "(trap '' INT; echo ready; exec sleep 60 >/dev/null 2>&1) &\nwait\n"
    command = script(tmp_path, f"trap 'kill $!; echo cleaned; exit 3' INT\n{waiting}")

    def on_line(line: str) -> None:
        lines.append(line)
        if line == "ready":
            cancellation.cancel()

    result = run_script(command, tmp_path, variables(), on_line, cancellation)

    assert (result.exit_code, result.ending) == (3, "cancelled")
    assert lines == ["ready", "cleaned"]


def test_a_cancellation_from_above_counts_and_one_that_came_before_too(tmp_path: Path) -> None:
    above = Cancellation()
    above.cancel()

    result = run_script(script(tmp_path, "sleep 60\n"), tmp_path, variables(), print, Cancellation(above))

    assert result.ending == "cancelled"


def test_what_runs_on_in_the_background_holds_nobody_up_and_ends_with_the_job(tmp_path: Path) -> None:
    leftovers = Leftovers()
    command = script(tmp_path, "sleep 60 >/dev/null 2>&1 &\necho $! > child\n")

    result = run_script(command, tmp_path, variables(), print, Cancellation(), leftovers=leftovers)

    child = int((tmp_path / "child").read_text())
    assert result.exit_code == 0
    assert Path(f"/proc/{child}").exists() or not Path("/proc").exists()
    leftovers.end()
    assert gone(child)


def test_a_missing_program_is_an_exit_code(tmp_path: Path) -> None:
    lines: list[str] = []

    result = run_script(["no-such-shell"], tmp_path, variables(), lines.append, Cancellation())

    assert result.exit_code == NOT_FOUND
    assert "no-such-shell" in lines[0]


def test_a_cancellation_after_the_end_reaches_nobody(tmp_path: Path) -> None:
    cancellation = Cancellation()
    run_script(script(tmp_path, "true\n"), tmp_path, variables(), print, cancellation)
    timer = Timer(0, cancellation.cancel)
    timer.start()
    timer.join()

    assert cancellation.is_cancelled


def gone(process: int) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        if _is_zombie(process):
            return True
        time.sleep(0.02)
    pytest.fail(f"process {process} still runs")


def _is_zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
