"""Runs Spark components one after the other in one session, as the local workspace runs one of them by itself."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from azureml_emulator.jobs.definitions.spark import SparkSettings
from azureml_emulator.jobs.spark.launch import SparkPaths, spark_command
from azureml_emulator.processes import private_network

COMPONENTS = Path(__file__).parents[4] / "components"
# Tells a hang from a slow machine.
_HANG_SECONDS = 600
_MODULES = ("validate_data", "validate_data_spark", "prepare_data", "prepare_data_spark", "score_batch_spark", "")
_RUNNER = """
import contextlib, io, json, runpy, sys, traceback
done = []
_, given, written = sys.argv
for file, *words in json.loads(open(given).read()):
    sys.argv = [file, *words]
    code, out, err = 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(file, run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
        except Exception:
            code = traceback.format_exc()
    done.append([code, out.getvalue(), err.getvalue()])
open(written, "w").write(json.dumps(done))
"""


@dataclass(frozen=True)
class Done:
    """How a component ended: an exit code, the words of `sys.exit`, or a traceback."""

    code: int | str
    stdout: str
    stderr: str


def run_in_one(scripts: Sequence[Sequence[str | Path]], folder: Path, *, spark: bool) -> list[Done]:
    """Run several `[file, arguments...]` in one process, with or without a session of Spark, all to their ends.

    Skips the test where this machine gives Sail no network of its own.
    """
    if spark and not private_network.has_private_networks():
        pytest.skip("this machine cannot make networks: Spark steps are off")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "runner.py").write_text(_RUNNER)
    (folder / "scripts.json").write_text(json.dumps([list(map(str, script)) for script in scripts]))
    words = [str(folder / "scripts.json"), str(folder / "done.json")]
    paths = os.pathsep.join(
        [*(str(COMPONENTS / name) for name in _MODULES), str(COMPONENTS.parent / "endpoints/batch")]
    )
    with tempfile.TemporaryDirectory() as short:
        command = [sys.executable, str(folder / "runner.py"), *words]
        if spark:
            plan = Path(short) / "spark" / "plan.json"
            places = SparkPaths(plan, folder, Path(sys.executable), Path(short) / "s")
            spark_command(
                SparkSettings("runner.py"), f"spark-submit runner.py {words[0]} {words[1]}", places, open_port=False
            )
            command = [sys.executable, str(plan.parent / "driver.py"), str(plan)]
        variables = {**os.environ, "PYTHONPATH": paths}
        subprocess.run(command, cwd=folder, env=variables, check=True, timeout=_HANG_SECONDS)
    return [Done(*each) for each in json.loads((folder / "done.json").read_text())]
