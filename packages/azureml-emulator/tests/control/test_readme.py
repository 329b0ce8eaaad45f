"""The README is correct: its commands exist, and its example works as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from azureml_emulator.testing import RunningEmulator

README = Path(__file__).parents[2] / "README.md"


def test_every_command_of_the_table_exists() -> None:
    section = README.read_text().partition("\n## Commands\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+)", section, re.MULTILINE))
    line = [sys.executable, "-m", "azureml_emulator", "--help"]
    shown = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    commands = set(re.findall(r"^  (\w+) ", shown.partition("Commands:")[2], re.MULTILINE))
    assert named == commands


@pytest.mark.xdist_group("jobs")
def test_the_example_works_as_printed(emulator: RunningEmulator, tmp_path: Path) -> None:
    example = re.search(r"```python\n(import os\n.*?)```", README.read_text(), re.DOTALL)
    assert example is not None
    line = [sys.executable, "-c", example[1]]
    environment = {**os.environ, **emulator.variables}
    shown = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert shown.stdout.strip().lower().endswith("completed"), shown.stderr
