"""Every benchmark starts and says what it measures; the short ones also measure, whatever the machine's speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from prefork_programs import run_script

FOLDER = Path(__file__).parents[4] / "benchmarks"
PROGRAMS = [file for file in sorted(FOLDER.glob("*.py")) if '__name__ == "__main__"' in file.read_text()]
# The others run the whole pipeline, or hundreds of windows: minutes, which their own stories take already.
SHORT: dict[str, tuple[str, ...]] = {
    "dashboard": (),
    "data_collection": (),
    "drift": ("--rows", "100000"),
    "gates": (),
    "rollout": (),
    "router": ("--rounds", "1", "--seconds", "1"),
    "telemetry": (),
}


@pytest.mark.parametrize("program", PROGRAMS, ids=[file.stem for file in PROGRAMS])
def test_it_starts(program: Path) -> None:
    shown = run_script(program, "--help")

    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(f"usage: {program.name}")


@pytest.mark.long
@pytest.mark.parametrize("name", SHORT)
def test_it_measures(name: str) -> None:
    done = run_script(FOLDER / f"{name}.py", "--json", *SHORT[name])

    # The limits are for an idle machine: only that there are figures is for a test.
    assert "Traceback" not in done.stderr
    figures = json.loads(done.stdout)["figures"]
    assert figures
    assert all(isinstance(figure["value"], float | int) for figure in figures)


@pytest.mark.long
@pytest.mark.parametrize("arguments", [("fuzz", "600"), ("kills", "4")], ids=lambda given: given[0])
def test_an_attack_finds_nothing(arguments: tuple[str, str]) -> None:
    attack, count = arguments
    command = [sys.executable, "-m", "attack", "--only", attack, "--count", count]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)

    # The seed, which is another one each time, is in the first line.
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_benchmarks() -> None:
    assert len(PROGRAMS) > 1
