"""The workspace on this machine: starts, stops and resets the emulator, and reads its variables.

Only `mlops up`, `down`, `env` and `demo` use it, and every command in a shell that knows of no workspace: it gets the
variables that `env` prints. To the rest of `mlops` it is a workspace like any other.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from mlops.cli.progress import say
from mlops.core.documents import read_text
from mlops.core.environments import environments_of
from mlops.core.errors import MachineError, MlopsError, WorkspaceError
from mlops.core.layout import PIPELINE_FILE, STATE_FOLDER, private_folder
from mlops.core.results import Block, Line, Raw, Result
from mlops.settings.project import Project, load_project

_PROGRAM: Final = ("-m", "azureml_emulator")
_FOLDER: Final = STATE_FOLDER / "emulator"
_EXPORT: Final = "export "
# Saves each connection the time to load the public certificates.
_NOTHING_ELSE: Final = "--no-public-roots"
_ERROR_LINES: Final = 20
_READY_FILE: Final = "emulator.json"
# What points a process at a cloud, and the id in project.yml until somebody fills it in.
_CLOUD: Final = "ARM_CLOUD_METADATA_URL"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_ANSWER_SECONDS: Final = 5
_NO_SUBSCRIPTION: Final = "00000000-0000-0000-0000-000000000000"
# Of a step; a pipeline has a default_compute.
_COMPUTE: Final = re.compile(r"^\s+compute: *azureml:([\w-]+)", re.MULTILINE)


@dataclass(frozen=True)
class EmulatorResult(Result):
    """What happened to the workspace on this machine."""

    sentence: str
    state: Path
    hint: str = ""
    pages: str = ""

    def document(self) -> dict[str, Any]:
        """The message, the folder of its state, and a link to the MLflow pages if it runs."""
        return {"message": self.sentence, "state": str(self.state), **({"pages": self.pages} if self.pages else {})}

    def blocks(self) -> Sequence[Block]:
        """The message, a link to the MLflow pages if it runs, and what to do next."""
        pages = [Line(f"MLflow: {self.pages} (works once, within 10 minutes)")] if self.pages else []
        return [Line(self.sentence, "good"), *pages, *([Line(self.hint)] if self.hint else [])]


@dataclass(frozen=True)
class Variables(Result):
    """The variables that point a program at the workspace on this machine."""

    values: dict[str, str]

    def document(self) -> dict[str, Any]:
        """Names and values."""
        return dict(self.values)

    def blocks(self) -> Sequence[Block]:
        """Lines for a shell's `eval`."""
        return [Raw(f"{_EXPORT}{name}={shlex.quote(value)}") for name, value in self.values.items()]


def state_folder(project: Project) -> Path:
    """The folder with the state of this project's workspace."""
    return private_folder(project.path(_FOLDER))


def start(project: Project) -> str:
    """Start it unless it is running; return its message once it serves. Raises MachineError.

    Steps of an environment that is installed on this machine run there; clusters that steps name exist.
    """
    return _first_line(_run_emulator(project, "start", *_start_options(project)))


def ensure_started(project: Project) -> Variables:
    """Start it unless it is running, and return variables for a process that uses nothing else. Raises MachineError."""
    if any(state_folder(project).iterdir()) and not _start_options(project):
        # Reading the variables takes one process, starting and reading takes two.
        try:
            return variables(project, _NOTHING_ELSE)
        except MachineError:
            pass
    say("starting the workspace on this machine …")
    say(start(project))
    return variables(project, _NOTHING_ELSE)


def use_running_workspace(project_path: Path | None) -> None:
    """Point this process at the workspace that runs on this machine, if nothing points it elsewhere.

    Only where project.yml names no subscription yet, so that no command that is meant for Azure ends here.
    """
    address = os.environ.get(_CLOUD)
    if address:
        _require_answer(address)
        return
    try:
        project = load_project(project_path)
        subscriptions = {stage.subscription_id for stage in project.settings.stages}
        if subscriptions == {_NO_SUBSCRIPTION} and (project.path(_FOLDER) / _READY_FILE).is_file():
            os.environ.update(variables(project).values)
            say("using the workspace that runs on this machine")
    except MlopsError:
        # The command itself says what is wrong with the project, or that nobody is logged in.
        return


def _require_answer(address: str) -> None:
    """Raise WorkspaceError if variables of a shell point to a workspace on this machine that has been stopped."""
    place = urlsplit(address)
    if place.hostname not in _LOOPBACK or place.port is None:
        return
    try:
        socket.create_connection((place.hostname, place.port), _ANSWER_SECONDS).close()
    except OSError as error:
        raise WorkspaceError(
            f"nothing answers at {place.scheme}://{place.netloc}, where {_CLOUD} points in this shell",
            'Start the workspace with `mlops up`, then `eval "$(mlops env)"`; for Azure unset the variable.',
        ) from error


def stop(project: Project) -> str:
    """Stop it if it is running; return its message."""
    return _first_line(_run_emulator(project, "stop"))


def reset(project: Project) -> None:
    """Stop it, and delete all its data."""
    _run_emulator(project, "stop")
    _run_emulator(project, "reset", "--yes")


def pages_link(project: Project) -> str:
    """A link to the MLflow pages that works once. Raises MachineError if the workspace is not running."""
    return json.loads(_run_emulator(project, "status", "--json"))["pages"]


def variables(project: Project, *options: str) -> Variables:
    """Its variables. Raises MachineError if it is not running."""
    return Variables(parse_exports(_run_emulator(project, "env", *options)))


def parse_exports(text: str) -> dict[str, str]:
    """Read lines of the form `export NAME='value'`; other lines are not variables."""
    values = {}
    for line in text.splitlines():
        if line.startswith(_EXPORT):
            for word in shlex.split(line.removeprefix(_EXPORT)):
                name, _, value = word.partition("=")
                values[name] = value
    return values


def _run_emulator(project: Project, verb: str, *options: str) -> str:
    state = state_folder(project)
    command = [sys.executable, *_PROGRAM, verb, "--state", str(state), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise MachineError(
            f"`azureml-emulator {verb}` failed with exit code {done.returncode}",
            f"Its state and log are in {state}; `mlops up` starts it.",
            tuple(lines[-_ERROR_LINES:]),
        )
    return done.stdout


def _start_options(project: Project) -> list[str]:
    """The interpreters of environments that are installed here, and the clusters that steps name for themselves."""
    installed = (each for each in environments_of(project.root) if each.is_installed)
    options = [f"--environment={name}={each.python}" for each in installed for name in each.names]
    pipelines = sorted(project.path(PIPELINE_FILE.parent).glob("*.yml"))
    named = (name for file in pipelines for name in _COMPUTE.findall(read_text(file)))
    return [*options, *(f"--compute={name}" for name in dict.fromkeys(named))]


def _first_line(text: str) -> str:
    # The rest is advice for people who call the program directly.
    return (text.strip().splitlines() or [""])[0]
