"""Steps of an environment run in the interpreter that the emulator was started with for it, all others in its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.control import daemon
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.testing import RunningEmulator, running_emulator

pytestmark = pytest.mark.xdist_group("jobs")

WHERE = "import sys, importlib.util; print('prefix', sys.prefix, bool(importlib.util.find_spec('numpy')), sep='|')"
ENTRY = """
import importlib.util, pathlib, sys

def init():
    pass

def run(mini_batch):
    seen = [name for name in ("numpy", "azureml_emulator") if importlib.util.find_spec(name)]
    return [f"{sys.prefix}|{','.join(seen)}" for _ in mini_batch]
"""
ASSETS = {"api-version": "2023-04-01"}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment without packages."""
    folder = tmp_path_factory.mktemp("bare") / "train"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def jobs(
    bare: Path, tmp_path_factory: pytest.TempPathFactory, submitter_of: Callable[[RunningEmulator], Any]
) -> Generator[Any]:
    state = tmp_path_factory.mktemp("own") / "state"
    python = bare / "bin" / "python"
    with running_emulator(state, background_start="lazy", environments={"train": python}) as emulator:
        yield submitter_of(emulator)


def environment(jobs: Any, name: str, version: str, conda: str = "") -> str:
    identifier = f"{jobs.workspace}/environments/{name}/versions/{version}"
    body = {"properties": {"image": "busybox", **({"condaFile": conda} if conda else {})}}
    jobs.http.put(identifier, params=ASSETS, json=body).raise_for_status()
    return identifier


@pytest.mark.parametrize(
    ("name", "conda", "command"),
    [
        ("train", "", "python where.py"),
        ("train", "name: other", "python where.py && echo by a shell"),
        ("CliV2AnonymousEnvironment", "name: train\ndependencies: [python=3.11]\n", "python where.py"),
        ("trainer", "name: trainer", "python where.py"),
    ],
)
def test_the_name_of_its_environment_decides(
    jobs: Any, bare: Path, scripts: Callable[..., Path], name: str, conda: str, command: str
) -> None:
    is_bare = name != "trainer"
    code = jobs.code(scripts(where=WHERE))

    job = jobs.command(command, codeId=code, environmentId=environment(jobs, name, str(len(conda)), conda))

    assert jobs.wait(job)["status"] == "Completed"
    log = jobs.log(job)
    prefix = bare if is_bare else Path(sys.prefix)
    assert f"prefix|{prefix}|{not is_bare}" in log
    assert ("given for it (--environment train):" in log) == is_bare
    assert f"# {prefix / 'bin' / 'python'} (Python 3." in log or not is_bare
    assert "forked" not in log or not is_bare


def test_a_parallel_step_scores_in_it(jobs: Any, bare: Path, scripts: Callable[..., Path]) -> None:
    folder = scripts(entry=ENTRY)
    (folder / "one.txt").write_text("1")
    code = jobs.code(folder)
    specification = {
        "type": "parallel",
        "inputs": {"data": {"type": "uri_folder"}},
        "outputs": {"rows": {"type": "uri_file"}},
        "input_data": "${{inputs.data}}",
        "mini_batch_size": "1",
        "task": {
            "type": "run_function",
            "code": code,
            "entry_script": "entry.py",
            "environment": environment(jobs, "train", "3"),
            "append_row_to": "${{outputs.rows}}",
        },
    }
    made = jobs.component("cp one.txt ${{outputs.data}}/one.txt", code=code, outputs={"data": {"type": "uri_folder"}})
    scored = jobs.component("", **specification)
    read = jobs.component("cat ${{inputs.rows}}", inputs={"rows": {"type": "uri_file"}})
    given = {
        name: {"value": f"${{{{parent.jobs.{step}.outputs.{name}}}}}", "job_input_type": "literal"}
        for step, name in (("made", "data"), ("scored", "rows"))
    }
    steps = {
        "made": {"type": "command", "componentId": made},
        "scored": {"type": "parallel", "componentId": scored, "inputs": {"data": given["data"]}},
        "read": {"type": "command", "componentId": read, "inputs": {"rows": given["rows"]}},
    }

    job = jobs.pipeline(steps)

    assert jobs.wait(job)["status"] == "Completed"
    # The worker's own package is there, and nothing else that stands beside it.
    assert f"\n{bare}|azureml_emulator\n" in jobs.log(jobs.steps(job)["read"]["runId"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [(None, "has no interpreter at"), ("#!/bin/sh\necho no library >&2\nexit 1\n", "does not start: no library")],
    ids=["absent", "broken"],
)
def test_an_interpreter_that_does_not_start_is_refused_at_the_start(
    tmp_path: Path, text: str | None, reason: str
) -> None:
    python = tmp_path / "python"
    if text:
        python.write_text(text)
        python.chmod(0o700)

    with pytest.raises(daemon.DaemonError) as refused:
        daemon.start(Settings(state=tmp_path / "state", environments={"train": python}))

    assert reason in str(refused.value)
    assert f"Create it, or leave out --environment train={python}." in str(refused.value)


def test_the_option_needs_a_name_and_an_interpreter(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "azureml_emulator", "start", "--state", str(tmp_path), "--environment", "train"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "'train' is not NAME=PYTHON" in done.stderr
