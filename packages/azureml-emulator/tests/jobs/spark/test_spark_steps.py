"""Spark steps that do not go as planned: each ends soon, says why, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator import other_users
from azureml_emulator.processes import private_network
from azureml_emulator.processes.process_identity import process_start_time
from azureml_emulator.testing import RunningEmulator, wait_for

pytestmark = [
    pytest.mark.xdist_group("jobs"),
    pytest.mark.skipif(
        not private_network.has_private_networks(), reason="this machine cannot make networks: Spark steps are off"
    ),
]
pytest.importorskip("pysail", reason="Spark needs the emulator's extra: uv sync --group spark")

SESSION = "from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()\n"
UDF = (
    SESSION
    + "def run(batches):\n    {line}\n    yield from batches\nspark.range(3).mapInArrow(run, 'id long').count()\n"
)
WAITING = SESSION + "import time\nspark.range(3).count()\nprint('pid', {pid}, flush=True)\ntime.sleep(600)\n"
CONF = {
    "spark.driver.cores": "1",
    "spark.driver.memory": "2g",
    "spark.executor.cores": "1",
    "spark.executor.memory": "2g",
    "spark.executor.instances": "1",
}
# The server is the child of the driver, which the entry runs in.
SERVER = "open(f'/proc/self/task/{__import__(\"os\").getpid()}/children').read().split()[0]"


@pytest.fixture
def spark(submitter: Any, scripts: Callable[..., Path]) -> Callable[..., str]:
    """Submits the text of an entry as a Spark job; its name."""

    def submit(entry: str, using: Any = submitter, **properties: Any) -> str:
        given = {
            "jobType": "Spark",
            "experimentName": "spark",
            "codeId": using.code(scripts(entry=entry)),
            "entry": {"sparkJobEntryType": "SparkJobPythonEntry", "file": "entry.py"},
            "conf": CONF,
            "resources": {"instanceType": "Standard_E4s_V3", "runtimeVersion": "3.4"},
        }
        return using.submit({**given, **properties})

    return submit


def error_of(submitter: Any, name: str) -> str:
    details = submitter.wait(name)
    assert details["status"] == "Failed", submitter.log(name)
    return details["error"]["error"]["message"]


@pytest.mark.parametrize(
    ("entry", "words"),
    {
        "a function raises": (
            UDF.format(line="raise ValueError('row 3 is bad')"),
            ["row 3 is bad", "exited with code 1"],
        ),
        "the server ends": (UDF.format(line="import os; os._exit(9)"), ["has ended (exit code 9)", "Functions of"]),
        "RDDs": (SESSION + "spark.range(3).rdd\n", ["`rdd` is not supported", "there are no RDDs", "mapInArrow"]),
        "the context": (SESSION + "spark.sparkContext\n", ["`sparkContext` is not supported", "no SparkContext"]),
        "an exit code": ("raise SystemExit(5)\n", ["exited with code 5"]),
    }.values(),
    ids=["function-raises", "server-ends", "rdd", "context", "exit-code"],
)
@pytest.mark.long
def test_a_failure_says_why(spark: Callable[..., str], submitter: Any, entry: str, words: list[str]) -> None:
    name = spark(entry)

    message = error_of(submitter, name)

    assert [word for word in words if word not in message] == [], message
    assert "driver.py" not in message


@pytest.mark.long
def test_a_cancel_ends_the_server(spark: Callable[..., str], submitter: Any) -> None:
    name = spark(WAITING.format(pid=SERVER))
    server = submitter.process(name)

    submitter.cancel(name)

    assert submitter.wait(name)["status"] == "Canceled"
    wait_for(lambda: process_start_time(server) is None)


@pytest.mark.long
def test_the_server_ends_with_a_driver_that_is_killed(spark: Callable[..., str], submitter: Any) -> None:
    # given a function that holds the interpreter of the server, so that nothing else runs in it
    line = "print('pid', __import__('os').getpid(), flush=True); sum(range(10**12))"
    name = spark(UDF.format(line=line))
    server = submitter.process(name)
    driver = int(Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[1])

    os.kill(driver, 9)

    assert "killed by signal 9" in error_of(submitter, name)
    wait_for(lambda: process_start_time(server) is None)


@pytest.mark.long
def test_other_users_reach_nothing_of_a_running_step(
    spark: Callable[..., str], fresh_emulator: Callable[..., RunningEmulator], submitter_of: Callable[..., Any]
) -> None:
    running = fresh_emulator()
    mine = submitter_of(running)
    name = spark(WAITING.format(pid=SERVER), mine)
    server = mine.process(name)

    # The port of Sail is not one of this machine.
    assert other_users.unlisted(running.settings.state) == []
    _, sockets = other_users.listening(other_users.process_tree(server))
    (path,) = sockets
    assert path.parent.stat().st_mode & 0o777 == 0o700
    try:
        assert other_users.check(running.settings.state) == []
    except other_users.NoOtherUser as reason:
        pytest.skip(str(reason))
    finally:
        mine.cancel(name)
        mine.wait(name)
    assert not path.exists()


@pytest.mark.long
def test_without_sail_the_step_says_what_to_install(
    fresh_emulator: Callable[..., RunningEmulator],
    submitter_of: Callable[..., Any],
    spark: Callable[..., str],
    tmp_path: Path,
) -> None:
    # given an interpreter with nothing installed
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    running = fresh_emulator(environments={"base": tmp_path / "bare" / "bin" / "python"})
    mine = submitter_of(running)

    name = spark(SESSION, mine, environmentId=mine.environment())

    message = error_of(mine, name)
    assert "has no pysail, pyspark, grpc" in message
    assert "pip install pysail 'pyspark-client>=4.2,<5'" in message


def test_delta_tables_and_partitions_without_rows(spark: Callable[..., str], submitter: Any) -> None:
    # given four partitions, three of which have no rows when the function gets them
    entry = SESSION + (
        "import sys\n"
        "def same(batches):\n    yield from batches\n"
        "rows = spark.range(0, 8, 1, 4).where('id = 7').mapInArrow(same, 'id long')\n"
        "rows.write.format('delta').save(sys.argv[1])\n"
        "rows.write.format('delta').mode('append').save(sys.argv[1])\n"
        "table = spark.read.format('delta')\n"
        "print('rows', table.load(sys.argv[1]).count(), table.option('versionAsOf', 0).load(sys.argv[1]).count())\n"
    )
    out = {"jobOutputType": "uri_folder", "mode": "Direct"}

    name = spark(entry, outputs={"table": out}, args="${{outputs.table}}")

    assert submitter.wait(name)["status"] == "Completed", submitter.log(name)
    assert "rows 2 1" in submitter.log(name)


def test_files_that_the_code_does_not_have_are_named(spark: Callable[..., str], submitter: Any) -> None:
    name = spark(SESSION, pyFiles=["lib.zip"])

    assert "The code folder has no 'lib.zip', which py_files names (there is: entry.py" in error_of(submitter, name)


def test_the_private_network_has_only_loopback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as outside:
        tried = (
            f"import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname());"
            f"print(socket.socket().connect_ex(('127.0.0.1', {outside.getsockname()[1]})))"
        )
        command = [
            sys.executable,
            "-I",
            private_network.__file__,
            shutil.which("python3") or sys.executable,
            "-c",
            tried,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "111"
