"""Prepares a Spark step: copies its driver and its server beside a plan, which says what they run."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from azureml_emulator.jobs.definitions.command_line import shell_words
from azureml_emulator.jobs.definitions.spark import SparkSettings
from azureml_emulator.jobs.spark import driver, server
from azureml_emulator.kernel.errors import BadRequest, NotModelled
from azureml_emulator.processes import private_network

_FOLDER_MODE = 0o700
JAVA = "java"
_PATH_VARIABLE = "PYTHONPATH"


@dataclass(frozen=True)
class SparkPaths:
    """The plan to write, the working folder with the code, the interpreter of the step, the socket of its server."""

    plan: Path
    folder: Path
    interpreter: Path
    socket: Path


def spark_command(
    settings: SparkSettings, command: str, paths: SparkPaths, *, open_port: bool, engine: str | None = None
) -> str:
    """Write the plan of a step, whose command is `spark-submit ENTRY ARGUMENTS`. Returns what starts its driver.

    `open_port` allows a Sail server on this machine's own network. `engine` is sail, java, or None for the one that is
    installed. Raises BadRequest where a file is missing, NotModelled
    where the server would be in reach of other users.
    """
    _refuse_missing_files(settings, paths.folder)
    is_private = private_network.has_private_networks()
    if not is_private and not open_port and engine != JAVA:
        raise NotModelled(
            "The engine of a Spark step listens on a TCP port, and runs Python for everybody who connects to it. This "
            "machine cannot give it a network of its own (Linux can, as root or with user namespaces), so that any "
            "local user could run code as you. Start the emulator with --open-spark-ports to allow that, or with "
            "--spark-engine java, whose ports ask for a secret."
        )
    for name in settings.files:
        _put(paths.folder / name, paths.folder / Path(name).name)
    folder = paths.plan.parent
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    copied = {module: folder / Path(str(module.__file__)).name for module in (driver, server, private_network)}
    for module, target in copied.items():
        shutil.copyfile(str(module.__file__), target)
    python = str(paths.interpreter)
    wrapper = [python, "-I", str(copied[private_network])] if is_private else []
    plan = {
        "entry": settings.entry,
        "arguments": shell_words(command)[2:],
        "conf": settings.conf,
        "engine": engine,
        "socket": str(paths.socket),
        "server": [*wrapper, python, str(copied[server])],
    }
    paths.plan.write_text(json.dumps(plan), encoding="utf-8")
    return f"python {shlex.quote(str(copied[driver]))} {shlex.quote(str(paths.plan))}"


def spark_variables(settings: SparkSettings, folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of a step: what its entry and its functions import is in the code folder and in `py_files`."""
    inherited = variables.get(_PATH_VARIABLE)
    found = [str(folder), *(str(folder / name) for name in settings.py_files), *([inherited] if inherited else [])]
    return {_PATH_VARIABLE: os.pathsep.join(found)}


def _refuse_missing_files(settings: SparkSettings, folder: Path) -> None:
    named = {"entry": (settings.entry,), "py_files": settings.py_files, "files": settings.files}
    for what, names in named.items():
        for name in names:
            if not (folder / name).exists():
                there = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
                raise BadRequest(
                    f"The code folder has no '{name}', which {what} names (there is: {there}). Correct the path, or "
                    "add the file to the code.",
                    code="UserError",
                )


def _put(source: Path, target: Path) -> None:
    if source != target:
        shutil.copyfile(source, target)
