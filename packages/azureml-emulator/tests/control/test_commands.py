"""The command: start, status, env, stop, reset, and how it refuses."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from azureml_emulator.control.ready_file import ReadyFile

EMULATOR = [sys.executable, "-m", "azureml_emulator"]
CHOICES = ("--model-errors", "as-azure", "--endpoint-operations", "one-at-a-time")
# The imports of a running emulator.
IMPORTS = [sys.executable, "-c", "import azureml_emulator.app, azureml_emulator.server, uvicorn"]


def command(*arguments: str, state: Path | None = None) -> subprocess.CompletedProcess[str]:
    line = [*EMULATOR, *arguments, *(["--state", str(state)] if state else [])]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Started:
    """An emulator that was started by the command."""

    state: Path
    output: str

    def shown(self, *arguments: str) -> dict:
        """The JSON that a command prints."""
        return json.loads(command(*arguments, "--json", state=self.state).stdout)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Generator[Started]:
    """On a folder with a name that shells would interpret."""
    state = tmp_path_factory.mktemp("commands") / "it's a $HOME `folder`"
    output = command("start", *CHOICES, state=state)
    try:
        assert output.returncode == 0, output.stderr
        yield Started(state, output.stdout)
    finally:
        command("stop", state=state)


def test_status_shows_the_running_emulator(started: Started) -> None:
    status = started.shown("status")
    assert "ready in" in started.output
    assert status["running"]
    assert status["address"] in started.output
    assert status["jobs"] == {}


def test_a_second_start_needs_the_same_options(started: Started) -> None:
    assert "already running" in command("start", *CHOICES, state=started.state).stdout
    other = command("start", state=started.state)
    assert other.returncode == 1
    assert "with other settings: endpoint_operations, model_errors" in other.stderr


def test_env_has_the_variables_of_clients(started: Started) -> None:
    address = started.shown("status")["address"]
    values, alone = started.shown("env"), started.shown("env", "--no-public-roots")
    assert values["ARM_CLOUD_METADATA_URL"] == f"{address}/metadata/endpoints"
    assert values["AZUREML_CURRENT_CLOUD"].endswith(address.rpartition(":")[2])
    assert {Path(alone[name]).name for name, value in values.items() if alone[name] != value} == {"authority.pem"}
    assert Path(alone["SSL_CERT_FILE"]).read_text() in Path(values["SSL_CERT_FILE"]).read_text()


def test_the_next_command_that_start_names_finds_this_emulator(started: Started) -> None:
    line = (
        started.output.rpartition("Next: ")[2]
        .strip()
        .replace("azureml-emulator", f"{sys.executable} -m azureml_emulator")
    )
    shown = subprocess.run(
        ["sh", "-c", f'{line}; printf %s "$SSL_CERT_FILE"'], capture_output=True, text=True, check=True
    )
    assert shown.stdout == str(started.state / "tls" / "bundle.pem")


def test_a_shell_evaluates_env(started: Started) -> None:
    text = command("env", state=started.state).stdout
    evaluate = 'eval "$1" && printf %s "$SSL_CERT_FILE"'
    shown = subprocess.run(["sh", "-c", evaluate, "sh", text], capture_output=True, text=True, check=True)
    assert shown.stdout == str(started.state / "tls" / "bundle.pem")


def test_options_reach_the_emulator(started: Started) -> None:
    record = ReadyFile(started.state).read()
    assert record is not None
    assert (record.settings.model_errors, record.settings.endpoint_operations) == ("as_azure", "one_at_a_time")


def test_a_running_emulator_is_not_reset(started: Started) -> None:
    assert command("reset", "--yes", state=started.state).returncode == 1
    assert started.state.exists()


def test_two_concurrent_starts_lead_to_one_emulator_which_is_stopped_and_reset(tmp_path: Path) -> None:
    # given two starts at the same time
    state = tmp_path / "state"
    line = [*EMULATOR, "start", "--state", str(state)]
    both = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        shown = [process.communicate() for process in both]
        status = command("status", state=state).stdout
    finally:
        stopped = command("stop", state=state)
    # then one started it, and the other waited for it
    assert [process.returncode for process in both] == [0, 0], shown
    assert sorted("already running" in output for output, _ in shown) == [False, True]
    assert "None" not in status
    # and it can be stopped once, and its folder removed
    assert "Stopped" in stopped.stdout
    assert stopped.stderr.startswith("Stopping the emulator …")
    assert "No emulator is running" in command("stop", state=state).stdout
    assert command("reset", "--yes", state=state).returncode == 0
    assert not state.exists()


def test_without_an_emulator_status_and_env_fail(tmp_path: Path) -> None:
    assert command("status", state=tmp_path / "state").returncode == 3
    assert "Start one" in command("env", state=tmp_path / "state").stderr


def processor_seconds() -> float:
    """The processor time of this process's children: others may use the machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_has_examples_and_takes_less_than_the_imports_of_a_server() -> None:
    began = processor_seconds()
    shown = command("--help")
    helped = processor_seconds()
    subprocess.run(IMPORTS, check=True)
    assert helped - began < processor_seconds() - helped
    assert 'eval "$(azureml-emulator env)"' in shown.stdout
    slow = "import sys, azureml_emulator.__main__; print({'starlette', 'uvicorn', 'mlflow'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", slow], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "set()"


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = command("start", "--port", str(port), state=tmp_path / "state")
    assert refused.returncode == 1
    assert f"Port {port}" in refused.stderr
    assert "--port" in refused.stderr
    assert "ERROR" not in refused.stderr


def test_a_state_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state = tmp_path / "file" / "state"
    for verb in (["start"], ["start", "--foreground"]):
        refused = command(*verb, state=state)
        assert refused.returncode != 0
        assert f"The state folder {state} cannot be used" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert command("status", state=state).returncode == 3


def test_a_folder_with_other_files_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert "not a state folder" in command("start", state=tmp_path).stderr
    assert "not a state folder" in command("reset", "--yes", state=tmp_path).stderr
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--workspace", "with space", "--workspace"), ("--model-errors", "hidden", "as-azure")],
)
def test_wrong_options_are_refused_with_the_reason(tmp_path: Path, option: str, value: str, words: str) -> None:
    refused = command("start", option, value, state=tmp_path / "state")
    assert refused.returncode == 2
    assert words in refused.stderr
    assert not (tmp_path / "state").exists()


def test_the_emulator_starts_without_the_libraries_that_only_some_jobs_need() -> None:
    libraries = "{'numpy', 'scipy', 'pandas', 'optuna', 'mlflow', 'sklearn'}"
    slow = f"import sys, azureml_emulator.app, azureml_emulator.server; print({libraries} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", slow], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
