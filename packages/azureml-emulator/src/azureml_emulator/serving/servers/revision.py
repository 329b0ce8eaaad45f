"""The folder from which the server of a deployment runs: a copy of the code and of the model, and the log.

A copy, so that later changes of the assets do not affect the server. Files only: starts no process.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.names import relative_path
from azureml_emulator.serving.deployment_plan import DeploymentPlan

_FOLDER_MODE = 0o700
_READ_ONLY = 0o444
_GENERATED_SCRIPT = "mlflow_entry.py"
_LOG = "log.txt"
# The emulator's environment variables that a server inherits; none of them is a secret.
_PASSED_ON = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD", "VIRTUAL_ENV")
# One request at a time per worker, as in Azure's image, but with keep-alive connections.
_SERVER_ARGUMENTS = (
    "-k gthread --threads 1 --keep-alive 75 --graceful-timeout 4 "
    "--logger-class azureml_emulator.serving.servers.access_log.NoAccessLog"
)
# gunicorn opens a control socket since this version. MLflow 2 needs an older one.
_CONTROL_SOCKET_SINCE = (25, 1)


@dataclass(frozen=True)
class ModelSource:
    """A registered model: its name, its version, and the path of its files."""

    name: str
    version: str
    content: Path


@dataclass(frozen=True)
class Revision:
    """One attempt to serve one configuration of a deployment."""

    folder: Path

    @property
    def code(self) -> Path:
        """The copy of the code, which is the working folder of the server."""
        return self.folder / "azureml-app"

    @property
    def models(self) -> Path:
        """The folder of model copies, with the layout of AZUREML_MODEL_DIR on Azure."""
        return self.folder / "azureml-models"

    @property
    def log(self) -> Path:
        """The output of the server."""
        return self.folder / _LOG


def make_revision(revision: Revision, code: Path | None, model: ModelSource | None, *, generated: bool) -> None:
    """Copy code and model into the folder of the revision. Raises BadRequest when their files are missing.

    Where there is no code, a script is `generated` for the model.
    """
    revision.folder.mkdir(mode=_FOLDER_MODE, parents=True)
    if code is None:
        revision.code.mkdir(mode=_FOLDER_MODE)
    if code is None and generated:
        shutil.copyfile(Path(__file__).with_name(_GENERATED_SCRIPT), revision.code / _GENERATED_SCRIPT)
    elif code is not None:
        _copy_tree(code, revision.code, "code")
    if model is not None:
        target = revision.models / model.name / model.version / model.content.name
        _copy_tree(model.content, target, "model")
        for file in target.rglob("*") if target.is_dir() else [target]:
            if file.is_file():
                file.chmod(_READ_ONLY)


def check_script(revision: Revision, script: str | None) -> str:
    """The path of the scoring script below the code folder. Raises BadRequest when it does not exist."""
    if script is None:
        return _GENERATED_SCRIPT
    if script.startswith("/") or ".." in PurePosixPath(script).parts:
        raise BadRequest(f"The scoring script '{script}' must be inside the code folder.", target="scoringScript")
    path = relative_path(script, what="path of a scoring script", code="UserError")
    if not (revision.code / path).is_file():
        found = ", ".join(sorted(file.name for file in revision.code.glob("*.py"))) or "no Python file"
        raise BadRequest(
            f"The scoring script '{script}' is not in the code folder, which has: {found}.",
            target="scoringScript",
        )
    return path.as_posix()


def server_command(script: str) -> list[str]:
    """The command that starts the server; the path of its socket follows.

    `-P` keeps the code folder from shadowing installed modules.
    """
    module = "azureml_emulator.serving.servers.launcher"
    return [sys.executable, "-P", "-m", module, script]


def server_environment(
    revision: Revision, plan: DeploymentPlan, model: Sequence[str] | None, names: dict[str, str]
) -> dict[str, str]:
    """The environment variables of the server: those that Azure sets, then those of the deployment.

    `model` is a name and a version.
    """
    variables = passed_on() | {"AML_APP_ROOT": str(revision.code), **names} | model_variables(revision, model)
    variables |= plan.variables
    asked = plan.variables.get("GUNICORN_CMD_ARGS", "")
    variables["GUNICORN_CMD_ARGS"] = f"{server_arguments(version('gunicorn'))} {asked}".strip()
    return variables


def passed_on() -> dict[str, str]:
    """The emulator's own variables that every server has."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"PYTHONUNBUFFERED": "1"}


def model_variables(revision: Revision, model: Sequence[str] | None) -> dict[str, str]:
    """The variable that says where the model is, by its name and version."""
    return {} if model is None else {"AZUREML_MODEL_DIR": str(revision.models.joinpath(*model))}


def server_arguments(gunicorn: str) -> str:
    """The arguments of the server, for a version of gunicorn such as "25.1.0"."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", gunicorn)[:2])
    without_socket = ["--no-control-socket"] if numbers >= _CONTROL_SOCKET_SINCE else []
    return " ".join([_SERVER_ARGUMENTS, *without_socket])


def _copy_tree(source: Path, target: Path, what: str) -> None:
    if not source.exists():
        raise BadRequest(f"The {what} of the deployment has no files in storage: {source.name} does not exist.")
    target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
