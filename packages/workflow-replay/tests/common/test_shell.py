"""Scripts in a real shell: output, timeouts, cancellation, background processes."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

from workflow_replay.cancellation import Cancellation
from workflow_replay.common.shell import NOT_FOUND, BackgroundProcesses, run_script

MAX_WAIT_SECONDS = 20.0


def script(folder: Path, text: str) -> list[str]:
    file = folder / "script.sh"
    file.write_text(text)
    return ["bash", "-e", str(file)]


def variables() -> dict[str, str]:
    return {"PATH": os.environ["PATH"]}


def test_both_streams_arrive_line_by_line_and_only_the_given_variables_exist(tmp_path: Path) -> None:
    lines: list[str] = []
    command = script(tmp_path, 'echo one\necho two >&2\necho "$SECRET-${HOME-unset}-$PWD"\nfalse\necho never\n')

    result = run_script(command, tmp_path, variables() | {"SECRET": "x"}, lines.append, Cancellation())

    assert (result.exit_code, result.termination) == (1, "exited")
    assert lines == ["one", "two", f"x-unset-{tmp_path}"]


def test_a_timeout_kills_the_script_and_its_children(tmp_path: Path) -> None:
    command = script(tmp_path, "sleep 60 & echo $! > draft\nmv draft child\nwait\n")
    child, seconds = tmp_path / "child", 0.25

    # On a busy machine the script may need longer to start its child.
    while not child.exists():
        seconds *= 2
        assert seconds < MAX_WAIT_SECONDS
        result = run_script(command, tmp_path, variables(), print, Cancellation(), timeout_seconds=seconds)

        assert result.termination == "timed out"
        assert result.exit_code != 0
    assert gone(int(child.read_text()))


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """This process does not ignore interrupts, as one does that a shell script started in the background.

    Its children would inherit that, and a shell cannot trap what was ignored when it started.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard_interrupts")
def test_a_cancellation_interrupts_so_that_a_script_can_clean_up(tmp_path: Path) -> None:
    cancellation = Cancellation()
    lines: list[str] = []
    # bash may lose an interrupt that arrives just as a command succeeds, but not one that interrupts `wait`. The child
    # itself reports that it is ready: before it ignores interrupts, it would be killed by them.
    waiting = "(trap '' INT; echo ready; exec sleep 60 >/dev/null 2>&1) &\nwait\n"
    command = script(tmp_path, f"trap 'kill $!; echo cleaned; exit 3' INT\n{waiting}")

    def on_line(line: str) -> None:
        lines.append(line)
        if line == "ready":
            cancellation.cancel()

    result = run_script(command, tmp_path, variables(), on_line, cancellation)

    assert (result.exit_code, result.termination) == (3, "cancelled")
    assert lines == ["ready", "cleaned"]


def test_an_earlier_cancellation_of_the_parent_counts(tmp_path: Path) -> None:
    above = Cancellation()
    above.cancel()

    result = run_script(script(tmp_path, "sleep 60\n"), tmp_path, variables(), print, Cancellation(above))

    assert result.termination == "cancelled"


def test_background_processes_do_not_block_and_are_killed_with_the_job(tmp_path: Path) -> None:
    background = BackgroundProcesses()
    command = script(tmp_path, "sleep 60 >/dev/null 2>&1 &\necho $! > child\n")

    result = run_script(command, tmp_path, variables(), print, Cancellation(), background=background)

    child = int((tmp_path / "child").read_text())
    assert result.exit_code == 0
    assert Path(f"/proc/{child}").exists() or not Path("/proc").exists()
    background.kill()
    assert gone(child)


def test_a_missing_program_has_an_exit_code(tmp_path: Path) -> None:
    lines: list[str] = []

    result = run_script(["no-such-shell"], tmp_path, variables(), lines.append, Cancellation())

    assert result.exit_code == NOT_FOUND
    assert "no-such-shell" in lines[0]


def test_a_cancellation_after_the_end_has_no_effect(tmp_path: Path) -> None:
    cancellation = Cancellation()
    run_script(script(tmp_path, "true\n"), tmp_path, variables(), print, cancellation)
    timer = Timer(0, cancellation.cancel)
    timer.start()
    timer.join()

    assert cancellation.is_cancelled


def gone(process: int) -> bool:
    deadline = time.monotonic() + MAX_WAIT_SECONDS
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
