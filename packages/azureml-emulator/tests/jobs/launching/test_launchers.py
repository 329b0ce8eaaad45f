"""Steps forked from the warm server and steps as processes of their own come to the same."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.testing import RunningEmulator, running_emulator

# What is easy to get wrong in a fork: threads of libraries, random numbers, names of the process, exits.
PROBE = """
import json, multiprocessing, os, pickle, random, sys, threading
import numpy, onnxruntime, polars, pyarrow
import pyarrow.compute
from sklearn.ensemble import HistGradientBoostingClassifier
import helper


class Point:
    pass


def square(x):
    return x * x


if __name__ == "__main__":
    rows = numpy.random.default_rng(1).random((2000, 4))
    model = HistGradientBoostingClassifier(max_iter=5, random_state=1).fit(rows, rows[:, 0] > 0.5)
    frame = polars.DataFrame({"a": [1, 2, 3] * 1000, "b": [1.0, 2.0, 3.0] * 1000})
    with multiprocessing.Pool(2) as pool:
        squares = pool.map(square, [1, 2, 3])
    thread = threading.Timer(0.2, lambda: print("thread done"))
    thread.start()
    print("RESULT " + json.dumps({
        "name": __name__, "file": __file__ == os.path.abspath("probe.py"),
        "arguments": sys.argv, "folder": os.path.basename(os.getcwd()),
        "helper": helper.__file__.startswith(os.getcwd()), "path": sys.path[0] == os.getcwd(),
        "score": float(model.score(rows, rows[:, 0] > 0.5)), "squares": squares,
        "sums": frame.lazy().group_by("a").agg(polars.col("b").sum()).sort("a").collect()["b"].to_list(),
        "arrow": pyarrow.compute.sum(pyarrow.array(range(1000))).as_py(), "pickle": len(pickle.dumps(Point())),
        "given": os.environ["GIVEN"], "leader": os.getpgid(0) == os.getpid(),
        "providers": onnxruntime.get_available_providers()[-1:], "stdin": sys.stdin.read(),
    }))
    print("RANDOM", random.random(), numpy.random.random())
"""
CRASH = "import sys\n\ndef inner():\n    raise ValueError('the reason')\n\ninner()\n"
ENDINGS = {
    "exit_with_a_number": ("import sys; sys.exit(3)", "exited with code 3", ""),
    "exit_with_text": ("import sys; sys.exit('words')", "exited with code 1", "words"),
    "killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9", ""),
    "crash": (CRASH, "exited with code 1", "ValueError: the reason"),
}


@pytest.fixture(scope="module", params=["fork", "plain"])
def launcher(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningEmulator]:
    state = tmp_path_factory.mktemp(request.param) / "state"
    with running_emulator(state, step_launcher=request.param, background_start="lazy") as running:
        yield running


def described(launcher: RunningEmulator) -> str:
    return "forked from the fork server" if launcher.settings.step_launcher == "fork" else "as a fresh process"


def until_warm(launcher: RunningEmulator, submitter: Any, code: str, script: str = "probe.py") -> str:
    """Run a script until it is started as it should be: the fork server imports in the background."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        name = submitter.command(
            f"python {script} --x 'a b' ${{{{inputs.x}}}}",
            codeId=code,
            environmentVariables={"GIVEN": "mine"},
            inputs={"x": {"jobInputType": "literal", "value": "1"}},
        )
        assert submitter.wait(name)["status"] == "Completed", submitter.log(name)
        log = submitter.log(name)
        if described(launcher) in log:
            return log
    raise AssertionError(log)


def test_a_step_finds_the_same_world(
    launcher: RunningEmulator, submitter_of: Callable[..., Any], scripts: Callable[..., Path]
) -> None:
    submitter = submitter_of(launcher)
    code = submitter.code(scripts(probe=PROBE, helper="VALUE = 1"))

    logs = [until_warm(launcher, submitter, code) for _ in range(2)]

    (result,) = [
        json.loads(line.removeprefix("RESULT ")) for line in logs[0].splitlines() if line.startswith("RESULT ")
    ]
    assert result == {
        "name": "__main__", "file": True, "arguments": ["probe.py", "--x", "a b", "1"], "folder": "wd",
        "helper": True, "path": True, "score": result["score"], "squares": [1, 4, 9],
        "sums": [1000.0, 2000.0, 3000.0], "arrow": 499500, "pickle": result["pickle"], "given": "mine",
        "leader": True, "providers": ["CPUExecutionProvider"], "stdin": "",
    }  # fmt: skip
    assert result["score"] > 0.9
    assert all("thread done" in log for log in logs)
    randoms = [line for log in logs for line in log.splitlines() if line.startswith("RANDOM")]
    assert len({text for line in randoms for text in line.split()[1:]}) == 4


@pytest.mark.parametrize(("script", "ending", "words"), ENDINGS.values(), ids=ENDINGS)
def test_endings(
    launcher: RunningEmulator,
    submitter_of: Callable[..., Any],
    scripts: Callable[..., Path],
    script: str,
    ending: str,
    words: str,
) -> None:
    submitter = submitter_of(launcher)
    code = submitter.code(scripts(ending=f"import numpy\n{script}", first="import numpy"))
    until_warm(launcher, submitter, code, "first.py")

    name = submitter.command("python ending.py", codeId=code)
    message = submitter.wait(name)["error"]["error"]["message"]

    log = submitter.log(name)
    assert described(launcher) in log
    assert ending in message
    assert words in message
    assert "fork_server" not in log


def test_a_module_runs_too(
    launcher: RunningEmulator, submitter_of: Callable[..., Any], scripts: Callable[..., Path]
) -> None:
    submitter = submitter_of(launcher)
    code = submitter.code(scripts(tool="import sys, numpy; print('ran', __name__, sys.argv[1:])"))

    name = submitter.command("python -m tool a", codeId=code)

    assert submitter.wait(name)["status"] == "Completed"
    assert "ran __main__ ['a']" in submitter.log(name)


def test_a_canceled_step_ends(
    launcher: RunningEmulator, submitter_of: Callable[..., Any], scripts: Callable[..., Path]
) -> None:
    submitter = submitter_of(launcher)
    name = submitter.command("python long.py", codeId=submitter.code(scripts(long="import time; time.sleep(600)")))
    submitter.wait(name, "Running")

    submitter.cancel(name)

    assert submitter.wait(name)["status"] == "Canceled"
