"""Every benchmark starts, finds what it imports, and says what it measures. What they measure is not for tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefork_programs import run_script

FOLDER = Path(__file__).parents[4] / "benchmarks"
PROGRAMS = [file for file in sorted(FOLDER.glob("*.py")) if '__name__ == "__main__"' in file.read_text()]


@pytest.mark.parametrize("program", PROGRAMS, ids=[file.stem for file in PROGRAMS])
def test_it_starts(program: Path) -> None:
    shown = run_script(program, "--help")

    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(f"usage: {program.name}")


def test_there_are_benchmarks() -> None:
    assert len(PROGRAMS) > 1
