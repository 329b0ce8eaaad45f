"""What starts a Spark step where a machine has no private networks, and which words its entry gets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from azureml_emulator.jobs.definitions.spark import SparkSettings
from azureml_emulator.jobs.spark.launch import SparkPaths, spark_command, spark_variables
from azureml_emulator.kernel.errors import NotModelled
from azureml_emulator.processes import private_network

SETTINGS = SparkSettings("entry.py", py_files=("lib.zip",), files=("data/words.txt",))


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SparkPaths:
    """A step on a machine without private networks, which no test can make of this one."""
    monkeypatch.setattr(private_network, "has_private_networks", lambda: False)
    code = tmp_path / "wd"
    (code / "data").mkdir(parents=True)
    for name in ("entry.py", "lib.zip", "data/words.txt"):
        (code / name).write_text("")
    return SparkPaths(tmp_path / "spark" / "plan.json", code, Path(sys.executable), tmp_path / "s")


def test_without_a_private_network_it_is_refused(paths: SparkPaths) -> None:
    with pytest.raises(NotModelled, match=r"any local user could run code as you.*--open-spark-ports"):
        spark_command(SETTINGS, "spark-submit entry.py", paths, open_port=False)


def test_with_the_switch_the_server_is_started_directly(paths: SparkPaths) -> None:
    command = spark_command(SETTINGS, "spark-submit entry.py --name 'a b' c", paths, open_port=True)

    plan = json.loads(paths.plan.read_text())
    assert command == f"python {paths.plan.parent / 'driver.py'} {paths.plan}"
    assert plan["server"] == [sys.executable, str(paths.plan.parent / "server.py")]
    assert plan["arguments"] == ["--name", "a b", "c"]
    assert (paths.folder / "words.txt").is_file()


@pytest.mark.long
def test_an_open_server_runs_the_entry(paths: SparkPaths) -> None:
    pytest.importorskip("pysail", reason="Spark needs the emulator's extra: uv sync --group spark")
    entry = "from pyspark.sql import SparkSession\nprint('rows', SparkSession.builder.getOrCreate().range(5).count())\n"
    (paths.folder / "entry.py").write_text(entry)
    settings = SparkSettings("entry.py")
    spark_command(settings, "spark-submit entry.py", paths, open_port=True)

    command = [sys.executable, paths.plan.parent / "driver.py", paths.plan]
    done = subprocess.run(command, cwd=paths.folder, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == ["rows 5"], done.stderr
    assert done.returncode == 0


def test_modules_are_found_before_those_that_are_inherited(paths: SparkPaths) -> None:
    variables = spark_variables(SETTINGS, paths.folder, {"PYTHONPATH": "/else"})

    assert variables == {"PYTHONPATH": f"{paths.folder}:{paths.folder / 'lib.zip'}:/else"}
