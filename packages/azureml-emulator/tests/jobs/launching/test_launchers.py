"""Forked steps and steps started as fresh processes behave the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.testing import RunningEmulator, running_emulator, wait_for

pytestmark = pytest.mark.xdist_group("jobs")

# What easily differs in a fork: threads of libraries, random numbers, names of the process, exits.
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
# Module of the step: (its text, the error of the job, what its message also has).
ENDINGS = {
    "exit_with_a_number": ("import sys; sys.exit(3)", "exited with code 3", ""),
    "exit_with_text": ("import sys; sys.exit('words')", "exited with code 1", "words"),
    "killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9", ""),
    "crash": (CRASH, "exited with code 1", "ValueError: the reason"),
}


@dataclass(frozen=True)
class Launcher:
    """An emulator that starts steps in one way, and the code for them."""

    description: str
    submitter: Any
    code: str

    def probe(self) -> str | None:
        """Run the probe; its log, or None when the step was not started in this way."""
        name = self.submitter.command(
            "python probe.py --x 'a b' ${{inputs.x}}",
            codeId=self.code,
            environmentVariables={"GIVEN": "mine"},
            inputs={"x": {"jobInputType": "literal", "value": "1"}},
        )
        assert self.submitter.wait(name)["status"] == "Completed", self.submitter.log(name)
        log = self.submitter.log(name)
        return log if self.description in log else None


@pytest.fixture(scope="module", params=["fork", "plain"])
def launcher(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    submitter_of: Callable[[RunningEmulator], Any],
    scripts: Callable[..., Path],
) -> Generator[Launcher]:
    files = {name: f"import numpy\n{script}" for name, (script, _, _) in ENDINGS.items()}
    files |= {"probe": PROBE, "helper": "VALUE = 1", "long": "import time; time.sleep(600)"}
    files |= {"tool": "import sys, numpy; print('ran', __name__, sys.argv[1:])"}
    if request.param == "fork":
        submitter = submitter_of(request.getfixturevalue("emulator"))
        yield Launcher("forked from the fork server", submitter, submitter.code(scripts(**files)))
        return
    state = tmp_path_factory.mktemp("plain") / "state"
    with running_emulator(state, step_launcher="plain", background_start="lazy") as running:
        submitter = submitter_of(running)
        yield Launcher("as a fresh process", submitter, submitter.code(scripts(**files)))


@pytest.fixture(scope="module")
def probed(launcher: Launcher) -> str:
    """The log of a probe that was started as it should be: the fork server imports in the background."""
    return wait_for(launcher.probe)


def test_a_step_finds_the_same_environment(probed: str) -> None:
    (result,) = [json.loads(line.removeprefix("RESULT ")) for line in probed.splitlines() if line.startswith("RESULT ")]
    assert result == {
        "name": "__main__", "file": True, "arguments": ["probe.py", "--x", "a b", "1"], "folder": "wd",
        "helper": True, "path": True, "score": result["score"], "squares": [1, 4, 9],
        "sums": [1000.0, 2000.0, 3000.0], "arrow": 499500, "pickle": result["pickle"], "given": "mine",
        "leader": True, "providers": ["CPUExecutionProvider"], "stdin": "",
    }  # fmt: skip
    assert result["score"] > 0.9
    assert "thread done" in probed


@pytest.mark.parametrize("launcher", ["fork"], indirect=True)
def test_steps_have_different_random_numbers(launcher: Launcher, probed: str) -> None:
    logs = [probed, wait_for(launcher.probe)]
    randoms = [line.split()[1:] for log in logs for line in log.splitlines() if line.startswith("RANDOM")]
    assert len({number for numbers in randoms for number in numbers}) == 4


@pytest.mark.usefixtures("probed")
@pytest.mark.parametrize("ending", ENDINGS)
def test_endings(launcher: Launcher, ending: str) -> None:
    _, error, words = ENDINGS[ending]
    submitter = launcher.submitter

    name = submitter.command(f"python {ending}.py", codeId=launcher.code)
    message = submitter.wait(name)["error"]["error"]["message"]

    log = submitter.log(name)
    assert launcher.description in log
    assert error in message
    assert words in message
    assert "fork_server" not in log


def test_a_module_runs(launcher: Launcher) -> None:
    submitter = launcher.submitter

    name = submitter.command("python -m tool a", codeId=launcher.code)

    assert submitter.wait(name)["status"] == "Completed"
    assert "ran __main__ ['a']" in submitter.log(name)


def test_a_canceled_step_ends(launcher: Launcher) -> None:
    submitter = launcher.submitter
    name = submitter.command("python long.py", codeId=launcher.code)
    submitter.wait(name, "Running")

    submitter.cancel(name)

    assert submitter.wait(name)["status"] == "Canceled"
