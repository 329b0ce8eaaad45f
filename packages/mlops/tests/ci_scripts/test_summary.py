"""The last line of the gate: what several test runs add up to, and when that is no success."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[4] / ".ci" / "summary.py"
PASSED = "...\n\x1b[32m===== \x1b[1m12 passed\x1b[0m, 1 skipped in 3.21s =====\x1b[0m\n"
QUIET = "12 passed in 100.00s (0:01:40)\n"
FAILED = "=== 1 failed, 11 passed, 2 errors in 9.00s ===\n"


def summarize(folder: Path, skips: str, *options: str, **logs: str) -> subprocess.CompletedProcess[str]:
    for name, text in logs.items():
        (folder / f"{name}.log").write_text(text)
    command = [sys.executable, str(SCRIPT), str(folder), f"--skips={skips}", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_last_line_is_the_total(tmp_path: Path) -> None:
    done = summarize(tmp_path, "allow", one=PASSED, two=QUIET)

    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "one: 12 passed, 1 skipped",
        "two: 12 passed, 0 skipped",
        "24 passed, 0 failed, 1 skipped",
    ]


@pytest.mark.parametrize(
    ("skips", "logs", "says"),
    [
        ("allow", {"one": PASSED, "two": FAILED}, "23 passed, 3 failed"),
        ("fail", {"one": PASSED, "two": QUIET}, "one: a test was skipped"),
        ("allow", {"one": PASSED, "two": "killed\n"}, "two: no test passed"),
        ("allow", {}, "0 passed"),
    ],
    ids=["a failure", "a skipped test", "a run without a summary", "no run at all"],
)
def test_what_is_no_success_ends_with_1(tmp_path: Path, skips: str, logs: dict[str, str], says: str) -> None:
    done = summarize(tmp_path, skips, **logs)

    assert done.returncode == 1
    assert says in done.stdout + done.stderr


def test_a_suite_that_runs_without_optional_programs_may_skip_and_no_other(tmp_path: Path) -> None:
    bare = summarize(tmp_path, "fail", "--bare=one", one=PASSED, two=QUIET)
    other = summarize(tmp_path, "fail", "--bare=two", one=PASSED, two=QUIET)

    assert (bare.returncode, bare.stdout.splitlines()[-1]) == (0, "24 passed, 0 failed, 1 skipped")
    assert other.returncode == 1
