"""Which engine a Spark step gets, what it says where there is none, and how it shows what a function raised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from azureml_emulator.jobs.definitions.spark import SparkSettings
from azureml_emulator.jobs.spark.launch import SparkPaths, spark_command
from azureml_emulator.processes import private_network

# A stand-in for PySpark with its Java libraries, which says what it is asked for in place of starting Java.
PYSPARK = """
import json


class SparkSession:
    class builder:
        asked = {}

        @classmethod
        def master(cls, name):
            cls.asked["master"] = name
            return cls

        @classmethod
        def config(cls, map):
            cls.asked["conf"] = map
            return cls

        @classmethod
        def getOrCreate(cls):
            print(json.dumps(cls.asked))
"""
CONF = {"spark.driver.memory": "2g", "spark.ui.enabled": "true"}
JAVA = "#!/bin/sh\nexit 0\n"
RAISED = """
An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "/usr/lib/python3/site-packages/pyspark/worker.py", line 2548, in func
    yield from map(wrap, verified)
               ^^^^^^^^^^^^^^^^^^^
  File "entry.py", line 3, in run
    raise ValueError("row 7: two")
ValueError: row 7: two
lines

\tat org.apache.spark.api.python.BasePythonRunner.handlePythonException(PythonRunner.scala:581)
\tat java.base/java.lang.Thread.run(Thread.java:840)
"""
ENTRY = """
from pyspark.errors import PythonException


def count():
    raise PythonException({message!r})


count()
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an interpreter that has nothing, `lib` for its modules, and `bin` with a Java."""
    monkeypatch.setattr(private_network, "has_private_networks", lambda: False)
    for name in ("lib/pyspark/jars", "lib/pyspark/sql", "lib/pandas", "lib/pyarrow", "java/bin", "wd"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("pyspark", "pandas", "pyarrow"):
        (tmp_path / "lib" / name / "__init__.py").write_text("")
    (tmp_path / "lib" / "pyspark" / "errors.py").write_text("class PythonException(Exception):\n    pass\n")
    (tmp_path / "lib" / "pyspark" / "sql" / "__init__.py").write_text(PYSPARK)
    (tmp_path / "java" / "bin" / "java").write_text(JAVA)
    (tmp_path / "java" / "bin" / "java").chmod(0o755)
    (tmp_path / "wd" / "entry.py").write_text("print('ran')\n")
    return tmp_path


def run(
    machine: Path, engine: str | None, variables: dict[str, str], conf: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the entry as a step whose interpreter has the modules of `lib` only."""
    settings = SparkSettings("entry.py", conf=conf or CONF)
    paths = SparkPaths(machine / "spark" / "plan.json", machine / "wd", Path(sys.executable), machine / "s")
    spark_command(settings, "spark-submit entry.py", paths, open_port=True, engine=engine)
    words = [sys.executable, "-S", str(paths.plan.parent / "driver.py"), str(paths.plan)]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(machine / "lib"), **variables}
    return subprocess.run(words, cwd=paths.folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("engine", [None, "java"])
def test_without_sail_it_runs_on_java_closed_to_other_users(machine: Path, engine: str | None) -> None:
    done = run(machine, engine, {"JAVA_HOME": str(machine / "java")})

    asked, ran = done.stdout.splitlines()
    found = json.loads(asked)
    assert ran == "ran"
    assert found["master"] == "local[*]"
    closed = {"spark.authenticate": "true", "spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1"}
    assert found["conf"].items() >= {**closed, "spark.driver.memory": "2g"}.items()


@pytest.mark.parametrize(
    ("engine", "without", "variables", "words"),
    {
        "sail is asked for": ("sail", None, {}, "has no pysail, grpc, grpc_status. Install the emulator's extra"),
        "java without pyspark": ("java", "pyspark/jars", {}, "has no Spark on Java: pip install pyspark"),
        "neither": (None, "pyspark/jars", {}, "has no pysail, grpc, grpc_status. Install the emulator's extra"),
        "no pyarrow": (None, "pyarrow/__init__.py", {}, "has no pyarrow, which functions need: pip install"),
        "no java": ("java", None, {"PATH": "/nowhere"}, "needs Java: there is no `java` on the path, and no JAVA_HOME"),
        "a wrong home": (None, None, {"JAVA_HOME": "/nowhere"}, "JAVA_HOME is /nowhere, where there is none. Install"),
    }.values(),
    ids=["sail", "java-without-pyspark", "neither", "no-pyarrow", "no-java", "wrong-home"],
)
def test_what_is_missing_is_named(
    machine: Path, engine: str | None, without: str | None, variables: dict[str, str], words: str
) -> None:
    if without:
        path = machine / "lib" / without
        path.rmdir() if path.is_dir() else path.rename(path.with_suffix(".off")).parent.rename(machine / "off")

    done = run(machine, engine, variables)

    assert words in done.stderr
    assert (done.returncode, done.stdout) == (3, "")


def test_java_libraries_in_the_conf_are_refused_on_sail(machine: Path) -> None:
    for name in ("pysail", "grpc", "grpc_status"):
        (machine / "lib" / f"{name}.py").write_text("")

    done = run(machine, None, {}, {"spark.jars.packages": "io.delta:delta-spark_2.13:4.0.0"})

    assert done.returncode == 3
    assert "spark.jars.packages, which are Java libraries: Sail runs none. Remove it" in done.stderr


def test_a_function_that_raises_is_shown_by_its_own_lines(machine: Path) -> None:
    entry = ENTRY.format(message=RAISED)
    (machine / "wd" / "entry.py").write_text(entry)

    done = run(machine, "java", {"JAVA_HOME": str(machine / "java")})

    assert done.returncode == 1
    called, _, raised = done.stderr.partition("A function that Spark ran on rows of a partition raised:\n")
    assert '", line 9, in <module>' in called or 'File "entry.py", line 9, in <module>' in called
    assert raised.splitlines() == [
        '  File "entry.py", line 3, in run',
        '    raise ValueError("row 7: two")',
        "ValueError: row 7: two",
        "lines",
        "Correct the function, or the rows that it does not expect.",
    ]


def test_java_needs_no_private_network(machine: Path) -> None:
    paths = SparkPaths(machine / "spark" / "plan.json", machine / "wd", Path(sys.executable), machine / "s")

    spark_command(SparkSettings("entry.py"), "spark-submit entry.py", paths, open_port=False, engine="java")

    assert json.loads(paths.plan.read_text())["engine"] == "java"
