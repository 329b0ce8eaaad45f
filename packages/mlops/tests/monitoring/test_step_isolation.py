"""The step that monitors runs code of extensions/ in a process of its own: what that does is no success of the step."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_package import write_package

ROOT = Path(__file__).parents[4]
MEASURES = """
import os
os._exit(0)
"""


@pytest.mark.long
def test_code_that_ends_its_process_ends_no_step(tmp_path: Path) -> None:
    # given a step as it is uploaded, with the copy of model_package that has the project's extensions
    step = shutil.copytree(ROOT / "components" / "monitor_model", tmp_path / "step")
    copy = shutil.copytree(ROOT / "components" / "model_package", step / "model_package")
    (copy / "extensions").mkdir()
    (copy / "extensions" / "measures.py").write_text(MEASURES)
    named = {
        "collected": tmp_path,
        "model-package": write_package(tmp_path / "package"),
        "monitoring": tmp_path / "out",
    }

    done = subprocess.run(
        [sys.executable, step / "monitor_model.py", *(f"--{name}={path}" for name, path in named.items())],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    assert "nothing was measured: extensions/measures.py: extensions/ ended at loading: its process ended with" in (
        done.stderr
    )
    assert not (tmp_path / "out").exists()
