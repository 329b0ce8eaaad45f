"""Programs that tests start come with what CI installs: others are refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from started_programs import GROUPS, UnknownProgram, groups_of, installed_with, objection

TEST = "tests/supply/test_programs.py::test"
# On each machine, and nothing that a test needs.
UNLISTED = "mkfifo"


def test_a_program_that_is_not_listed_is_refused_here_and_now() -> None:
    assert shutil.which(UNLISTED)

    with pytest.raises(UnknownProgram, match=f"{UNLISTED} is not listed in .ci/supply/started_programs.py"):
        subprocess.run([UNLISTED, "--version"], check=True)


def test_a_linter_is_refused_to_tests_that_run_without_its_group(tmp_path: Path) -> None:
    # given, of the two, the first as it was until its tests failed on a fresh clone
    assert "check-jsonschema" in installed_with(groups_of(TEST))
    assert "zizmor" not in installed_with(groups_of(TEST))
    scripts = os.fspath(Path(sys.executable).parent)
    if shutil.which("zizmor", path=scripts) is None:
        pytest.skip("needs `uv sync --group lint`")

    assert "zizmor comes with zizmor, which the dependency groups" in objection("zizmor", scripts, TEST)
    for file in GROUPS:
        assert objection("zizmor", scripts, f"{file}::test") == ""


def test_what_a_test_has_made_may_be_started_and_what_is_not_there_fails_by_itself(tmp_path: Path) -> None:
    program = tmp_path / UNLISTED
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)

    assert subprocess.run([UNLISTED], env={"PATH": str(tmp_path)}, check=False).returncode == 7
    with pytest.raises(FileNotFoundError):
        subprocess.run([str(tmp_path / "no-such-program")], check=False)
