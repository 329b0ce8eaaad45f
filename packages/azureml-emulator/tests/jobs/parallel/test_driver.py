"""The driver of parallel steps as a real process: mini-batches, failures, retries, thresholds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from azureml_emulator.jobs.definitions.steps import ParallelSettings
from azureml_emulator.jobs.parallel.plan import PLAN_VARIABLE, RunPlan

SETTINGS = ParallelSettings(
    entry_script="entry.py",
    input_name="data",
    is_table=False,
    partition_keys=(),
    mini_batch_size=1,
    workers=2,
    retries=2,
    timeout=60.0,
    max_failed_batches=-1,
    max_failed_items=-1,
    max_failed_percent=100,
    append_to="rows",
    append_name="rows.txt",
    logging_level="INFO",
    model=None,
    score_output=None,
)

ECHO = """
import argparse, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--word")
parser.add_argument("--logging_level")

def init():
    global given
    given, _ = parser.parse_known_args()
    print("init", os.getpid())

def run(mini_batch):
    print("batch", [pathlib.Path(file).name for file in mini_batch])
    return [f"{pathlib.Path(file).name} {given.word} {given.logging_level}" for file in mini_batch]

def shutdown():
    print("shutdown")
"""
# Records each call for a file, in whichever process.
COUNTED = """
import os, pathlib, time
seen = pathlib.Path(os.environ["SEEN"])

def init():
    pass

def calls(file):
    with (seen / pathlib.Path(file).name).open("a") as stream:
        stream.write("x")
    return len((seen / pathlib.Path(file).name).read_text())

def run(mini_batch):
    (file,) = mini_batch
    count, bad = calls(file), pathlib.Path(file).read_text() == "bad"
    {body}
    return [pathlib.Path(file).name]
"""


@dataclass(frozen=True)
class Ran:
    """A finished run."""

    code: int
    output: str
    folder: Path

    @property
    def rows(self) -> list[str]:
        return (self.folder / "rows.txt").read_text().splitlines()

    def log(self, pattern: str) -> str:
        return "".join(file.read_text() for file in sorted((self.folder / "wd" / "logs").glob(pattern)))

    def calls(self, name: str) -> int:
        return len((self.folder / "seen" / name).read_text())


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a script over files with these texts."""

    def start(script: str, files: dict[str, str], *arguments: str, **settings: object) -> Ran:
        for folder in ("wd", "seen", "data"):
            (tmp_path / folder).mkdir()
        (tmp_path / "wd" / "entry.py").write_text(script)
        for name, text in files.items():
            file = tmp_path / "data" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        given = replace(SETTINGS, **settings)
        paths = (str(tmp_path / "data"), str(tmp_path / "rows.txt"), sys.executable)
        plan = RunPlan(given, given.entry_script or "", *paths)
        plan.write(tmp_path / "plan" / "plan.json")
        done = subprocess.run(
            [sys.executable, "-m", "azureml_emulator.jobs.parallel", *arguments],
            cwd=tmp_path / "wd",
            env={**os.environ, PLAN_VARIABLE: str(tmp_path / "plan" / "plan.json"), "SEEN": str(tmp_path / "seen")},
            capture_output=True,
            text=True,
            check=False,
        )
        return Ran(done.returncode, done.stdout + done.stderr, tmp_path)

    return start


def counted(body: str) -> str:
    return COUNTED.replace("{body}", body)


FILES = {f"part-{number}": "good" for number in range(4)}


def test_results_of_mini_batches_are_appended_to_one_file_in_order(run: Run) -> None:
    ran = run(
        ECHO,
        {**FILES, "below/part-4": "good"},
        "--word",
        "two words",
        "--task_overhead_timeout",
        "9",
        mini_batch_size=2,
    )

    assert ran.code == 0, ran.output
    names = ["part-4", "part-0", "part-1", "part-2", "part-3"]
    assert ran.rows == [f"{name} two words INFO" for name in names]
    assert ran.log("job_progress_overview.txt").count("mini-batches ended") == 4
    assert "Succeeded" in ran.log("job_progress_overview.txt")
    printed = ran.log("user/stdout/*/*")
    assert printed.count("init") == printed.count("shutdown") == 2
    assert "batch ['part-4', 'part-0']" in printed


def test_a_failed_mini_batch_is_retried_and_its_error_logged(run: Run) -> None:
    ran = run(counted("if bad and count < 3: raise ValueError('not yet')"), {**FILES, "part-4": "bad"})

    assert ran.code == 0, ran.output
    assert (ran.calls("part-4"), len(ran.rows)) == (3, 5)
    assert ran.log("user/error.txt").count("ValueError: not yet; it will be retried") == 2
    assert "Traceback" in ran.log("user/error/*/*")


def test_failures_within_the_threshold_do_not_fail_the_run(run: Run) -> None:
    ran = run(counted("if bad: raise ValueError('never')"), {**FILES, "bad": "bad"}, retries=1, max_failed_batches=1)

    assert ran.code == 0, ran.output
    assert (ran.calls("bad"), sorted(ran.rows)) == (2, sorted(FILES))
    assert "4 items succeeded, 1 failed" in ran.output


LIMITS = {
    "mini-batches": {"max_failed_batches": 0},
    "items": {"max_failed_items": 0},
    "percent": {"max_failed_percent": 10},
}


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS.keys())
def test_failures_beyond_a_threshold_fail_the_run(run: Run, limit: dict[str, int]) -> None:
    ran = run(counted("if bad: raise ValueError('never')"), {**FILES, "bad": "bad"}, retries=0, **limit)

    assert ran.code == 1
    assert "The parallel run failed" in ran.output


def test_a_mini_batch_with_missing_results_fails_without_a_retry(run: Run) -> None:
    ran = run(counted("if bad: return []"), {**FILES, "bad": "bad"}, max_failed_batches=0)

    assert ran.code == 1
    assert ran.calls("bad") == 1
    assert "run() returned 0 for 1 items" in ran.log("user/error.txt")


def test_a_run_beyond_its_timeout_is_retried_in_a_new_process(run: Run) -> None:
    ran = run(counted("if bad and count < 2: time.sleep(600)"), {**FILES, "bad": "bad"}, timeout=2.0)

    assert ran.code == 0, ran.output
    assert (ran.calls("bad"), len(ran.rows)) == (2, 5)
    assert "run() took longer than 2 s" in ran.log("user/error.txt")


def test_the_mini_batch_of_a_killed_process_is_retried(run: Run) -> None:
    ran = run(counted("if bad and count < 2: os.kill(os.getpid(), 9)"), {**FILES, "bad": "bad"}, workers=1)

    assert ran.code == 0, ran.output
    assert (ran.calls("bad"), len(ran.rows)) == (2, 5)
    assert "SIGKILL" in ran.log("user/error.txt")


def test_a_run_without_any_success_fails(run: Run) -> None:
    ran = run(counted("raise ValueError('never')"), FILES, retries=0)

    assert ran.code == 1
    assert "No succeeded mini-batch item was returned from run()" in ran.output


BROKEN = {
    "init raises": ("def init(): raise OSError('no model')\ndef run(b): return b", "OSError: no model"),
    "no init": ("def run(b): return b", "has no function init()"),
    "init exits": ("import sys\ndef init(): sys.exit(3)\ndef run(b): return b", "SystemExit: 3"),
    "a syntax error": ("def init(:", "SyntaxError"),
    "a missing file": (None, "'elsewhere.py' is not in the code folder (there is: entry.py)"),
}


@pytest.mark.parametrize(("script", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_script_that_cannot_start_fails_the_run_at_once(run: Run, script: str | None, words: str) -> None:
    settings = {} if script else {"entry_script": "elsewhere.py"}

    ran = run(script or ECHO, FILES, **settings)

    assert ran.code == 1
    assert words in ran.output


def test_an_empty_input_is_refused(run: Run) -> None:
    ran = run(ECHO, {})

    assert ran.code == 1
    assert "The input has no files" in ran.output


def test_run_must_return_a_list(run: Run) -> None:
    ran = run("def init(): pass\ndef run(b): return 3", FILES, retries=0)

    assert ran.code == 1
    assert "run() must return a list" in ran.output


TABLE = """
def init():
    pass

def run(frame, context):
    assert list(frame.columns) == ["a", "b"]
    return frame.assign(batch=context.minibatch_index)
"""
ROWS = "a;b\n" + "".join(f"{number};{number * 2}\n" for number in range(50))
DESCRIPTIONS = {
    "delimited": "transformations:\n  - read_delimited:\n      delimiter: ';'\n",
    "parquet": "transformations:\n  - read_parquet\n",
}


@pytest.mark.parametrize("reader", DESCRIPTIONS)
def test_a_table_is_split_into_data_frames(run: Run, reader: str, tmp_path: Path) -> None:
    import pandas as pd

    files = {"MLTable": "paths:\n  - file: ./rows\n" + DESCRIPTIONS[reader], "rows": ROWS}
    if reader == "parquet":
        frame = pd.DataFrame({"a": range(50), "b": range(0, 100, 2)})
        frame.to_parquet(tmp_path / "rows.parquet", row_group_size=10)
        files = {"MLTable": "paths:\n  - file: ../*.parquet\n" + DESCRIPTIONS[reader]}

    ran = run(TABLE, files, is_table=True, mini_batch_size=100, workers=1)

    assert ran.code == 0, ran.output
    rows = [tuple(int(cell) for cell in row.split(" ")) for row in ran.rows]
    assert [(a, b) for a, b, _ in rows] == [(number, number * 2) for number in range(50)]
    assert len({batch for *_, batch in rows}) == {"delimited": 3, "parquet": 5}[reader]


BY_KEY = """
def init(): pass
def run(rows, context):
    keys = context.partition_key_value
    return [f"{keys['shop']} {keys['year']} {sum(rows['sold'])} {len(rows)}"]
"""


def test_a_table_is_partitioned_by_the_values_of_its_keys(run: Run) -> None:
    # given rows of one shop in two files, and a key that only the paths have
    table = "transformations:\n  - read_delimited: {}\n  - extract_columns_from_partition_format: '/{year}/*.csv'\n"
    files = {
        "MLTable": f"type: mltable\npaths:\n  - pattern: ./*/*.csv\n{table}",
        "2023/a.csv": "shop,sold\n2,10\n1,1\n",
        "2023/b.csv": "shop,sold\n1,2\n",
        "2024/a.csv": "shop,sold\n1,4\n",
    }

    ran = run(BY_KEY, files, is_table=True, partition_keys=("shop", "year"), max_failed_batches=0)

    assert ran.code == 0, ran.output
    assert ran.rows == ["1 2023 3 2", "1 2024 4 1", "2 2023 10 1"]


def test_a_table_without_a_reader_is_a_list_of_files(run: Run) -> None:
    files = {"MLTable": "paths:\n  - file: ./b.txt\n  - folder: ./c\n", "a.txt": "", "b.txt": "", "c/d.txt": ""}

    ran = run(ECHO, files, "--word", "so", is_table=True, mini_batch_size=None)

    assert ran.code == 0, ran.output
    assert ran.rows == ["b.txt so INFO", "d.txt so INFO"]


UNREADABLE = {
    "another key": ("read_delimited: {}", ("other",), "no column 'other'"),
    "another transformation": ("take: 5", (), "does not apply the transformation 'take'"),
    "another header": ("read_delimited: {header: no_header}", (), "the header is 'no_header'"),
}


@pytest.mark.parametrize(("step", "keys", "reason"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_table_that_would_be_read_otherwise_on_azure_is_refused(
    run: Run, step: str, keys: tuple[str, ...], reason: str
) -> None:
    files = {"MLTable": f"paths:\n  - file: ./rows.csv\ntransformations:\n  - {step}\n", "rows.csv": "a,b\n1,2\n"}

    ran = run(BY_KEY, files, is_table=True, partition_keys=keys)

    assert ran.code == 1
    assert reason in ran.output
