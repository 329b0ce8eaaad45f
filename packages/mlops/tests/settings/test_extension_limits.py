"""`extensions` in project.yml bounds what code of extensions/ may take."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops.settings.project import load_project
from model_package.errors import ExtensionError
from model_package.tasks import extensions, use_extensions

ROOT = Path(__file__).parents[4]
SLOW = """
import time
from model_package.tasks import Metric
METRICS = [Metric("slow", "Slow", "lower", function=lambda target, answer, weights: time.sleep(600))]
"""


def test_a_project_says_how_long_a_measure_may_take(tmp_path: Path) -> None:
    shutil.copy(ROOT / "project.yml", tmp_path)
    with (tmp_path / "project.yml").open("a") as file:
        file.write("extensions: {seconds: 1}\n")
    (tmp_path / "extensions").mkdir()
    (tmp_path / "extensions" / "metrics.py").write_text(SLOW)
    load_project(tmp_path)
    slow: Any = extensions().metrics[0].function

    try:
        with pytest.raises(ExtensionError, match="extensions/ ended at slow: it took longer than 1 s"):
            slow(np.zeros(3), np.zeros(3), np.ones(3))
    finally:
        use_extensions(tmp_path / "none")
