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
    assert SHORT.keys() <= {file.stem for file in PROGRAMS}


# Seconds and megabytes of validate_data at 1, 3 and 10 million rows.
CURVES = {
    "straight": ([(5, 500), (12, 700), (41, 1000)], 0),
    "bent at its end": ([(5, 500), (12, 700), (60, 1000)], 1),
    "more memory than allowed": ([(5, 2500), (12, 2700), (41, 3100)], 1),
    "memory that grows with the rows": ([(5, 500), (12, 900), (41, 2600)], 1),
}


@pytest.mark.parametrize(("curve", "code"), CURVES.values(), ids=CURVES)
def test_a_step_that_outgrows_its_limits_fails_the_benchmark(
    curve: list[tuple[int, int]], code: int, tmp_path: Path
) -> None:
    costs = dict(zip(("1000000", "3000000", "10000000"), curve, strict=True))
    (tmp_path / "costs.json").write_text(json.dumps({"validate": costs}))

    done = run_script(FOLDER / "scale.py", "--from", str(tmp_path / "costs.json"))

    assert done.returncode == code, done.stdout
    assert ("FAIL" in done.stdout) == bool(code)
