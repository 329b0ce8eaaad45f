"""`mlops replay`: working files in a scratch copy, without stored logins."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops.core.errors import InputError
from mlops.core.git import REMOTE
from mlops.githost.hosts import HOSTS
from mlops.githost.interface import Replay
from mlops.replaying.environment import step_environment
from mlops.replaying.source import Checkout, Remote
from workflow_replay.testing import Origin

from .conftest import FILE, WORKFLOW, printed, replayed

MAX_WAIT_SECONDS = 60.0


def test_working_files_are_replayed_without_touching_the_users_repository_or_logins(project: Origin) -> None:
    before = state(project)

    code, run, messages = replayed(
        project,
        FILE,
        *("--var", "WHO=me", "--secret", "KEY"),
        KEY="a-secret-word",
        AZURE_RESOURCE_GROUP="of-the-shell",
        AZURE_CLIENT_SECRET="never",
    )

    assert code == 0, messages
    assert printed(run)[:3] == [["changed", " me *** "], ["before"], ["of-the-shell hidden 0"]]
    assert printed(run)[3][:2] == [
        "git@github.com:octo-org/octo-repo.git",
        "https://github.com/octo-org/octo-repo/pull/1",
    ]
    assert "is not simulated in a replay" in printed(run)[3][2]
    assert run["requests"] == ["gh pr create --head new --base main --title 'A b'"]
    assert "actions/checkout" in run["simulated"]
    assert run["limitations"]
    assert "your working files as main" in messages
    assert "with no stored login" in messages
    assert state(project) == before
    assert project.refs("refs/heads/new") == []


def test_committed_files_only_and_an_untriggered_run_is_no_failure(project: Origin) -> None:
    code, run, _ = replayed(project, FILE, "--committed", "--since", "HEAD")

    assert (code, run["triggered"]) == (0, False)
    assert "path filter" in run["reason"]


def test_a_pull_request_from_a_branch_with_the_working_files(project: Origin) -> None:
    code, run, _ = replayed(project, FILE, "--event", "pull_request", "--ref", "mine", "--reject", "prod")

    assert code == 0
    assert printed(run)[0] == ["changed", "   mine"]


def test_a_rejected_environment_fails_the_run(project: Origin) -> None:
    code, run, messages = replayed(project, FILE, "--event", "workflow_dispatch", "--reject", "dev")

    assert code == 1
    assert run["jobs"][0]["reason"] == "dev was rejected"
    assert "waiting for approval for dev" in messages


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--event", "workflow_dispatch", "--input", "level=middle"), "one of low, high"),
        (("--event", "workflow_dispatch", "--input", "level"), "not of the form NAME=VALUE"),
        (("--event", "pull_request"), "a pull request needs a branch other than main"),
        (("--secret", "NOT_SET_ANYWHERE"), "is not set"),
        (("--since", "gone"), "unknown revision"),
    ],
    ids=["input", "form", "branch", "secret", "revision"],
)
def test_invalid_options_are_rejected_with_advice(project: Origin, words: tuple[str, ...], reason: str) -> None:
    code, answer, _ = replayed(project, FILE, *words)

    assert code == InputError.exit_code
    assert reason in answer["error"]["message"]
    assert answer["error"]["advice"]


def test_an_invalid_file_is_rejected_with_its_line(project: Origin) -> None:
    (project.work / FILE).write_text(WORKFLOW.replace("runs-on", "run-on"))

    code, answer, _ = replayed(project, FILE)

    assert code == InputError.exit_code
    assert f"{FILE}:10: jobs.try: unknown key 'run-on'" in answer["error"]["message"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_cancelled_replay_runs_cleanup_steps_and_leaves_nothing(
    project: Origin, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    steps = "[{run: 'echo $$ > \"$OUT\"; sleep 100'}, {if: cancelled(), run: 'echo cleaned >> \"$OUT\"'}]"
    (project.work / FILE).write_text(
        f"on: push\njobs: {{a: {{runs-on: x, steps: {steps}, env: {{OUT: {tmp_path}/out}}}}}}\n"
    )
    (tmp_path / "scratch").mkdir()
    command = [sys.executable, "-m", "mlops", "replay", FILE]
    variables = {**os.environ, "TMPDIR": str(tmp_path / "scratch")}
    with subprocess.Popen(command, cwd=project.work, env=variables, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: (tmp_path / "out").is_file() and bool((tmp_path / "out").read_text()))
        process.send_signal(number)
        _, messages = process.communicate(timeout=MAX_WAIT_SECONDS)
    script, *rest = (tmp_path / "out").read_text().split()

    assert process.returncode == code
    assert "the run was cancelled" in messages
    assert rest == ["cleaned"]
    assert list((tmp_path / "scratch").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(script), 0)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_azure_pipelines_are_replayed_by_the_same_command(project: Origin) -> None:
    code, run, messages = replayed(project, "azure-pipelines.yml")

    assert code == 0, messages
    assert (run["system"], len(run["commands"])) == ("azure", 1)
    # Not this machine's environment: what a step installs must not stay.
    assert printed(run)[0][-1].startswith(tempfile.gettempdir())
    assert printed(run)[0][-1].endswith("/python")


def github() -> Replay:
    (found,) = [replay for host in HOSTS if host.key == "github" and (replay := host.replay())]
    return found


def test_a_branch_that_was_never_pushed_starts_at_its_parent(project: Origin, tmp_path: Path) -> None:
    tip = project.commit({"src/b.txt": "1"})
    checkout = Checkout(project.work)
    shutil.rmtree(project.work / ".git/refs/remotes")

    source = checkout.copy(tmp_path / "copy.git", github(), "topic", None, committed_only=True)

    assert (source.branch, source.has_changes) == ("topic", False)
    assert source.before == project.tip(f"{tip}^")
    assert checkout.remote_url(REMOTE) == str(project.bare)
    with pytest.raises(InputError, match="not a valid branch name"):
        checkout.copy(tmp_path / "other.git", github(), "a..b", None, committed_only=True)


def test_steps_see_only_some_variables_of_the_shell(tmp_path: Path) -> None:
    here = str(Path(sys.prefix, "bin"))
    shell = {
        "PATH": os.pathsep.join([here, "/usr/bin"]),
        "HOME": "/home/me",
        "UV_CACHE_DIR": "/cache",
        "UV_PROJECT_ENVIRONMENT": "/mine",
        "EDITOR": "vi",
        "ARM_CLIENT_SECRET": "never",
        "AZURE_RESOURCE_GROUP": "group",
    }

    ci = github()
    remote = Remote(ci.ssh_url(ci.placeholder), ci.placeholder, tmp_path / "copy.git")
    for name in ("careful", "real"):
        (tmp_path / name).mkdir()
    careful = step_environment(tmp_path / "careful", remote, against_azure=False, shell=shell)
    real = step_environment(tmp_path / "real", remote, against_azure=True, shell=shell)

    assert careful.variables["PATH"] == ":".join(
        [f"{tmp_path}/careful/programs", f"{tmp_path}/careful/python/bin", "/usr/bin"]
    )
    assert {"HOME", "UV_CACHE_DIR"} <= careful.variables.keys()
    assert not {"EDITOR", "UV_PROJECT_ENVIRONMENT", "AZURE_RESOURCE_GROUP"} & careful.variables.keys()
    assert list(Path(careful.variables["AZURE_CONFIG_DIR"]).iterdir()) == []
    assert careful.cloud == {"AZURE_RESOURCE_GROUP": "group"}
    assert "AZURE_CONFIG_DIR" not in real.variables
    assert real.cloud == {"AZURE_RESOURCE_GROUP": "group", "ARM_CLIENT_SECRET": "never"}


def state(project: Origin) -> tuple[str, ...]:
    """The status of the working tree, and all files in its object store."""
    status = subprocess.run(
        ["git", "-C", str(project.work), "status", "--porcelain"], capture_output=True, text=True, check=True
    )
    objects = sorted(str(file) for file in (project.work / ".git/objects").rglob("*") if file.is_file())
    return (status.stdout, *objects)
