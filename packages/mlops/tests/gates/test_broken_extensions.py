"""Files of extensions/ that cannot be used: one problem of the check, one sentence of a command."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.checks import check_project
from mlops.core.layout import EXTENSION_FOLDER
from mlops.settings import gates
from model_package.errors import ExtensionError
from model_package.tasks import use_extensions

ROOT = Path(__file__).parents[4]
METRIC = """
from model_package.tasks import Metric
METRICS = [Metric({}, title="Cost", better="{}", function=lambda {}: 0.0)]
"""
GATE = """
from model_package.tasks import GateMeasure
GATES = [GateMeasure("{}", "Size", "lower", lambda package, rows: 0.0)]
"""
TASK = "from model_package.tasks import Task\nfrom model_package.tasks.regression import Regression\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A project that has its extensions and nothing else."""
    (tmp_path / EXTENSION_FOLDER).mkdir()
    shutil.copy(ROOT / "project.yml", tmp_path)
    yield tmp_path
    use_extensions(tmp_path / "none")


BROKEN = {
    "metrics.py": [
        ("METRICS = [", "cannot be imported: SyntaxError"),
        ("import nowhere\nMETRICS = []", "cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        ("NAMES = []", "defines no METRICS; list there what it adds"),
        ("METRICS = 3", "METRICS is a int; write a list"),
        ("METRICS = ['cost']", "METRICS holds 'cost'; it may hold Metric(...) only"),
        (METRIC.format('"Cost"', "lower", "t, a, w"), "'Cost' is no name"),
        (METRIC.format('"cost"', "less", "t, a, w"), 'cost is better \'less\'; write "higher" or "lower"'),
        (METRIC.format('"cost"', "lower", "t, a"), "cost must be called as f(target, answer, weights)"),
        (METRIC.format('"brier"', "lower", "t, a, w"), "'brier' is the name of a built-in measure"),
        (METRIC.format('"a"', "lower", "t, a, w") + "METRICS *= 2", "'a' is there twice; keep one of them"),
        ("from model_package.tasks import Metric\nMETRICS = [Metric('a', 'A', 'lower')]", "a has no function"),
        (METRIC.format('"a", tasks=("x",)', "lower", "t, a, w"), "a names the unknown task 'x'; known are"),
    ],
    "measures.py": [
        ("A = 1", "defines no GATES and no MONITOR"),
        (GATE.format("package_megabytes"), "'package_megabytes' is the name of a built-in measure"),
    ],
    "tasks.py": [
        (
            "from model_package.tasks import Task\nclass Mine(Task):\n    name = 'mine'\nTASKS = [Mine]",
            "Mine lacks answer_of",
        ),
        (
            "from model_package.tasks.regression import Regression\nTASKS = [Regression]",
            "is the name of a built-in task",
        ),
        ("TASKS = [int]", "TASKS holds <class 'int'>; it may hold subclasses of Task only"),
    ],
    "helpers.py": [("", "is never loaded; move what it adds into metrics.py, measures.py, tasks.py")],
}


@pytest.mark.parametrize(("name", "text", "says"), [(name, *each) for name, cases in BROKEN.items() for each in cases])
def test_what_is_wrong_in_a_file_is_said(folder: Path, name: str, text: str, says: str) -> None:
    (folder / EXTENSION_FOLDER / name).write_text(text)
    use_extensions(folder / EXTENSION_FOLDER)

    with pytest.raises(ExtensionError, match=re.escape(says)) as error:
        gates.catalogue()

    assert error.value.file == name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        BROKEN["tasks.py"][0],
        ("import os\nos._exit(0)", "extensions/ ended at loading: its process ended with exit code 0; correct it"),
    ],
    ids=["wrong", "exits"],
)
def test_it_is_one_problem_of_check(folder: Path, text: str, says: str) -> None:
    (folder / EXTENSION_FOLDER / "tasks.py").write_text(text)

    (found,) = check_project(folder)

    assert found.file == "extensions/tasks.py"
    assert says in found.message


def test_commands_end_with_a_sentence_and_the_exit_code_of_wrong_settings(folder: Path) -> None:
    (folder / EXTENSION_FOLDER / "metrics.py").write_text("import nowhere")

    done = subprocess.run(
        [sys.executable, "-m", "mlops", "gate", "--stage", "staging"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 3
    assert "extensions/metrics.py: cannot be imported: ModuleNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr
