"""The folder a deployment's server runs from: its own copy of the code and the model, and its log.

A copy, so that nothing done to the assets later reaches what serves. Files only: starts nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from azureml_emulator.errors import BadRequest
from azureml_emulator.serving.deployment_plan import Plan

_FOLDER_MODE = 0o700
_READ_ONLY = 0o444
_GENERATED_SCRIPT = "mlflow_entry.py"
_LOG = "log.txt"
_PORT = "port"
# What of the emulator's own environment a server may see: what finds programs and texts, never its secrets.
_PASSED_ON = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD", "VIRTUAL_ENV")
# One request at a time a worker, as Azure's image does, but with connections that stay open.
_SERVER_ARGUMENTS = (
    "-k gthread --threads 1 --keep-alive 75 --graceful-timeout 4 --no-control-socket "
    "--logger-class azureml_emulator.serving.access_log.NoAccessLog"
)
_MAX_LOG_READ = 1 << 20


@dataclass(frozen=True)
class ModelSource:
    """A registered model: its name and version, and where its bytes lie."""

    name: str
    version: str
    content: Path


@dataclass(frozen=True)
class Revision:
    """One attempt to serve one state of a deployment."""

    folder: Path

    @property
    def code(self) -> Path:
        """The copy of the code: the server's working folder."""
        return self.folder / "azureml-app"

    @property
    def models(self) -> Path:
        """Where copies of models lie, as AZUREML_MODEL_DIR is laid out on Azure."""
        return self.folder / "azureml-models"

    @property
    def log(self) -> Path:
        """What the server printed."""
        return self.folder / _LOG

    @property
    def port_file(self) -> Path:
        """Where the server says which port it took."""
        return self.folder / _PORT


def make_revision(revision: Revision, code: Path | None, model: ModelSource | None) -> None:
    """Copy code and model into the revision's folder. Raises BadRequest when their bytes are missing."""
    revision.folder.mkdir(mode=_FOLDER_MODE, parents=True)
    if code is None:
        revision.code.mkdir(mode=_FOLDER_MODE)
        shutil.copyfile(Path(__file__).with_name(_GENERATED_SCRIPT), revision.code / _GENERATED_SCRIPT)
    else:
        _copy_tree(code, revision.code, "code")
    if model is not None:
        target = revision.models / model.name / model.version / model.content.name
        _copy_tree(model.content, target, "model")
        for file in target.rglob("*") if target.is_dir() else [target]:
            if file.is_file():
                file.chmod(_READ_ONLY)


def check_script(revision: Revision, script: str | None) -> str:
    """The scoring script's path below the code folder. Raises BadRequest when it is not there."""
    if script is None:
        return _GENERATED_SCRIPT
    path = PurePosixPath(script)
    if path.is_absolute() or ".." in path.parts:
        raise BadRequest(f"The scoring script '{script}' must lie inside the code folder.", target="scoringScript")
    if not (revision.code / path).is_file():
        found = ", ".join(sorted(file.name for file in revision.code.glob("*.py"))) or "no Python file"
        raise BadRequest(
            f"The scoring script '{script}' is not in the code folder, which has: {found}.",
            target="scoringScript",
        )
    return path.as_posix()


def server_command(revision: Revision, script: str) -> list[str]:
    """The command that starts the server. `-P` keeps the code folder from shadowing installed modules."""
    module = "azureml_emulator.serving.launcher"
    return [sys.executable, "-P", "-m", module, str(revision.port_file), script]


def server_environment(
    revision: Revision, plan: Plan, model: ModelSource | None, names: dict[str, str]
) -> dict[str, str]:
    """The server's environment variables: what Azure sets, then what the deployment asks for."""
    variables = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    variables |= {"AML_APP_ROOT": str(revision.code), "PYTHONUNBUFFERED": "1", **names}
    if model is not None:
        variables["AZUREML_MODEL_DIR"] = str(revision.models / model.name / model.version)
    variables |= plan.variables
    asked = plan.variables.get("GUNICORN_CMD_ARGS", "")
    variables["GUNICORN_CMD_ARGS"] = f"{_SERVER_ARGUMENTS} {asked}".strip()
    return variables


def last_lines(log: Path, count: int) -> list[str]:
    """The last `count` lines of a log; none when there is no log."""
    if not log.is_file():
        return []
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _MAX_LOG_READ))
        return stream.read().decode(errors="replace").splitlines()[-count:]


def folder_name(key: str) -> str:
    """A short folder name for a deployment's key, the same every time."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _copy_tree(source: Path, target: Path, what: str) -> None:
    if not source.exists():
        raise BadRequest(f"The {what} of the deployment has no content in storage: {source.name} does not exist.")
    target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
