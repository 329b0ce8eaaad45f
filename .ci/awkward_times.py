"""Runs tests with the clock at awkward times: `uv run python .ci/awkward_times.py [--at NAME]… [pytest's arguments]`.

Midnight, the end of a month, a change to summer time, another time zone: what a test or the product gets wrong there
fails once a year, in somebody else's hands. moved_clock.c beside this file moves the wall clock of pytest and of every
process that it starts. Without arguments it runs the tests that ask what time it is. Needs Linux and a C compiler.
Exits with 1 when a test fails, with 2 where the clock cannot be moved.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

ROOT: Final = Path(__file__).parents[1]
CLOCK: Final = Path(__file__).with_name("moved_clock.c")
_COMPILER: Final = "cc"
_ASKING: Final = ("datetime.now(", "time.time(", "date.today(", "window_of(", "fold=")


@dataclass(frozen=True)
class Moment:
    """A wall clock time in a zone; `fold` is 1 for the second of two hours of the same name."""

    zone: str
    year: int
    month: int
    day: int
    hour: int
    minute: int = 59
    second: int = 40
    fold: int = 0

    @property
    def instant(self) -> datetime:
        """The moment in UTC."""
        wall = datetime(
            self.year,
            self.month,
            self.day,
            self.hour,
            self.minute,
            self.second,
            fold=self.fold,
            tzinfo=ZoneInfo(self.zone),
        )
        return wall.astimezone(UTC)


# Twenty seconds before something changes: most tests then run across it.
MOMENTS: Final = {
    "hour": Moment("UTC", 2027, 3, 10, 11),
    "midnight": Moment("UTC", 2027, 3, 10, 23),
    "month": Moment("UTC", 2027, 4, 30, 23),
    "leap-day": Moment("UTC", 2028, 2, 28, 23),
    "year": Moment("UTC", 2027, 12, 31, 23),
    "sunday": Moment("UTC", 2027, 5, 2, 3, 30),
    "summer-time-begins": Moment("Europe/Berlin", 2027, 3, 28, 1),
    "summer-time-ends": Moment("Europe/Berlin", 2027, 10, 31, 2),
    "the-hour-again": Moment("Europe/Berlin", 2027, 10, 31, 2, fold=1),
    "auckland": Moment("Pacific/Auckland", 2027, 4, 1, 0, 15),
    "st-johns": Moment("America/St_Johns", 2027, 11, 7, 1),
}


def can_move_clocks() -> bool:
    """Whether this machine has what that takes."""
    return sys.platform == "linux" and shutil.which(_COMPILER) is not None


def moved_to(moment: Moment, folder: Path) -> dict[str, str]:
    """The variables with which it is that moment for a process and all that it starts; `folder` gets a library."""
    library = folder / "moved_clock.so"
    offset = round(moment.instant.timestamp() - time.time())
    command = [_COMPILER, "-O2", "-shared", "-fPIC", f"-DOFFSET={offset}L", "-o", str(library), str(CLOCK)]
    subprocess.run(command, check=True)
    return {"LD_PRELOAD": str(library), "TZ": moment.zone}


def clock_tests(root: Path) -> list[str]:
    """The test modules that ask for the time themselves, or hand a moment on."""
    found = [*root.glob("tests/**/test_*.py"), *root.glob("packages/*/tests/**/test_*.py")]
    return sorted(
        file.relative_to(root).as_posix()
        for file in found
        if any(word in file.read_text(encoding="utf-8") for word in _ASKING)
    )


def main() -> int:
    """Run the tests at each moment, and say at which they failed."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--at", action="append", choices=sorted(MOMENTS), help="only at this moment; may be repeated")
    words.add_argument("--list", action="store_true", help="print the moments and the tests, and run nothing")
    arguments, given = words.parse_known_args()
    chosen = {name: MOMENTS[name] for name in arguments.at or MOMENTS}
    tests = given or clock_tests(ROOT)
    if arguments.list:
        print(
            "\n".join([*(f"{name}: {each.instant:%a %Y-%m-%d %H:%M:%S} UTC" for name, each in chosen.items()), *tests])
        )
        return 0
    if not can_move_clocks():
        print(f"nothing was run: this needs Linux and a C compiler, `{_COMPILER}`", file=sys.stderr)
        return 2
    failed = [name for name, moment in chosen.items() if not _run(name, moment, tests)]
    print(f"failed at: {', '.join(failed)}" if failed else f"passed at all of: {', '.join(chosen)}")
    return 1 if failed else 0


def _run(name: str, moment: Moment, tests: list[str]) -> bool:
    print(f"== {name}: {moment.instant:%a %Y-%m-%d %H:%M:%S} UTC, TZ={moment.zone}", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    with tempfile.TemporaryDirectory() as folder:
        moved = {**os.environ, **moved_to(moment, Path(folder))}
        return subprocess.run(command, cwd=ROOT, env=moved, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
