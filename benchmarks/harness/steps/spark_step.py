"""A Spark step of the project as the emulator runs it: its code with what it ships, the driver, a Sail server."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from azureml_emulator.jobs.definitions.spark import SparkSettings
from azureml_emulator.jobs.spark.launch import SparkPaths, spark_command, spark_variables
from harness.steps.child_cost import Program

ROOT = Path(__file__).resolve().parents[3]


def is_installed() -> bool:
    """Whether Spark's group is installed here."""
    return all(importlib.util.find_spec(name) for name in ("pysail", "pyspark"))


@contextmanager
def spark_step(component: str, options: Sequence[str]) -> Generator[Program]:
    """The program of a step with these options, while its folder is there."""
    source = ROOT / "components" / component
    document = yaml.safe_load((source / "component.yml").read_text())
    # The path of a Unix socket has a hundred characters.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "code")
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for include in document.get("additional_includes", ()):
            _ship(source / include, folder)
        settings = SparkSettings(
            entry=document["entry"]["file"],
            py_files=tuple(document.get("py_files", ())),
            files=(),
            conf={key: str(value) for key, value in document["conf"].items()},
        )
        paths = SparkPaths(Path(name, "plan", "plan.json"), folder, Path(sys.executable), Path(name, "sail"))
        line = spark_command(settings, shlex.join(["spark-submit", settings.entry, *options]), paths, open_port=False)
        words = shlex.split(line)
        yield Program([sys.executable, *words[1:]], spark_variables(settings, folder, os.environ), folder)


def _ship(source: Path, folder: Path) -> None:
    """Put a file beside the code; a folder that is named as a zip file is one there, with itself inside."""
    if source.suffix == ".zip" and not source.exists():
        inside = source.with_suffix("")
        shutil.make_archive(str(folder / inside.name), "zip", inside.parent, inside.name)
    else:
        shutil.copyfile(source, folder / source.name)
