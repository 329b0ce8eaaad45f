"""Measures what a person waits for at first: `mlops --help`, `mlops check`, an emulator's start.

Each is a whole process, timed from outside; the peer in the same run is an interpreter that does nothing.

    uv run python benchmarks/startup.py

With --work, what a started emulator does per metric and per step instead (harness/emulator_work.py).

    uv run python benchmarks/startup.py --work

With --silence, the longest pause of every command in a terminal (harness/silence.py), and with --transcripts what each
printed.

    uv run python benchmarks/startup.py --silence --transcripts printed/
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from harness.emulator_work import work_figures
from harness.figures import Figure, report
from harness.local_emulator import emulator, start_emulator
from harness.silence import silence_figures

ROOT = Path(__file__).resolve().parent.parent
RUNS = 5
HELP_SECONDS = 0.5
CHECK_SECONDS = 1.0
READY_SECONDS = 2.0


def main() -> int:
    """Measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--work", action="store_true", help="measure a started emulator")
    parser.add_argument("--silence", action="store_true", help="measure the pauses of every command; takes minutes")
    parser.add_argument("--transcripts", type=Path, metavar="FOLDER", help="with --silence: keep what was printed")
    arguments = parser.parse_args()
    if arguments.work:
        return report("The emulator's work", started(), as_json=arguments.json)
    if arguments.silence:
        return report("Silence in a terminal", silence_figures(arguments.transcripts), as_json=arguments.json)
    nothing = median_seconds([sys.executable, "-c", "pass"])
    help_seconds = median_seconds([sys.executable, "-m", "mlops", "--help"])
    check_seconds = median_seconds([sys.executable, "-m", "mlops", "check"])
    figures = [
        Figure("mlops --help", help_seconds, "s", HELP_SECONDS, note=times(help_seconds / nothing)),
        Figure("mlops check", check_seconds, "s", CHECK_SECONDS, note=times(check_seconds / nothing)),
        Figure("azureml-emulator start, until ready", ready_seconds(), "s", READY_SECONDS),
    ]
    return report("Start-up", figures, as_json=arguments.json)


def started() -> list[Figure]:
    """What an emulator of its own does per metric and per step."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(start_emulator(Path(folder)))
        try:
            return work_figures(Path(folder))
        finally:
            emulator("stop", Path(folder))


def times(ratio: float) -> str:
    """How a ratio to the peer reads."""
    return f"{ratio:.0f} x an interpreter that does nothing"


def median_seconds(command: Sequence[str]) -> float:
    """The median wall time of a command in seconds, after one run that warms the file cache."""
    seconds(command)
    return statistics.median(seconds(command) for _ in range(RUNS))


def seconds(command: Sequence[str]) -> float:
    """The wall time of one run in seconds. Raises CalledProcessError when the command fails."""
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def ready_seconds() -> float:
    """The median time of `azureml-emulator start` on a new state folder, which returns once it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        return statistics.median(one_start(Path(folder) / str(run)) for run in range(RUNS))


def one_start(state: Path) -> float:
    """One start, in seconds; the emulator is stopped again."""
    try:
        return seconds([sys.executable, "-m", "azureml_emulator", "start", "--state", str(state)])
    finally:
        emulator("stop", state)


if __name__ == "__main__":
    sys.exit(main())
