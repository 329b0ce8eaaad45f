"""The README says what is so: its commands exist, and its quick start works in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

README = Path(__file__).parents[1] / "README.md"


def test_every_command_of_the_table_exists() -> None:
    named = set(re.findall(r"^\| `(\w+)", README.read_text(), re.MULTILINE))
    line = [sys.executable, "-m", "azureml_emulator", "--help"]
    shown = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    commands = set(re.findall(r"^  (\w+) ", shown.partition("Commands:")[2], re.MULTILINE))
    assert named == commands


def test_the_quick_start_works_as_it_is_printed(emulator: Any) -> None:
    found = re.search(r"```python\n(import os\n.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    program = f"{found[1]}\nprint(client.workspaces.get().name)"
    environment = {**os.environ, **emulator.variables}
    run = [sys.executable, "-c", program]
    shown = subprocess.run(run, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert shown.stdout.strip() == emulator.settings.workspace, shown.stderr
