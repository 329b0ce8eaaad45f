"""The installed MLflow: which version it is, how its server is run, and whether it can read the runs that are there.

MLflow is not imported, which would take seconds. What cannot work is refused as not modelled (501), since clients of
MLflow repeat a request for minutes when they are told that the server is not available.
"""

from __future__ import annotations

import importlib.util
import re
from importlib.metadata import version
from pathlib import Path

from azureml_emulator.kernel.errors import NotModelled

DATABASE = "mlflow.db"
# The version of MLflow that last wrote the database, beside it.
_WRITTEN_BY = "version"
# Requests that MLflow 2 handles at once, in its one process.
_THREADS = 8
_LOGGED_MODELS_SINCE = (3, 0)
_TOO_NEW_FOR_MLFLOW_2 = (2, 1)


def has_logged_models() -> bool:
    """Whether this MLflow has models outside of runs' artifacts, which came with MLflow 3."""
    return _numbers(version("mlflow")) >= _LOGGED_MODELS_SINCE


def mlflow_folder() -> Path:
    """The folder of the installed MLflow. Raises NotModelled where there is none."""
    found = importlib.util.find_spec("mlflow")
    if found is None or found.origin is None:
        raise NotModelled("MLflow is not installed in the interpreter that runs the emulator. Install mlflow.")
    return Path(found.origin).parent


def check_libraries() -> None:
    """Raise NotModelled where MLflow is missing, or SQLAlchemy is too new for it."""
    mlflow_folder()
    check_versions(version("mlflow"), version("sqlalchemy"))


def check_versions(mlflow: str, sqlalchemy: str) -> None:
    """Raise NotModelled where MLflow's store does not work with SQLAlchemy in these versions."""
    if _numbers(mlflow) < _LOGGED_MODELS_SINCE and _numbers(sqlalchemy) >= _TOO_NEW_FOR_MLFLOW_2:
        raise NotModelled(
            f"MLflow {mlflow} cannot use SQLAlchemy {sqlalchemy}. "
            "Install 'sqlalchemy<2.1' into the interpreter that runs the emulator, and restart it."
        )


def needs_upgrade(folder: Path, mlflow: str) -> bool:
    """Whether an older MLflow wrote the database in `folder`. Raises NotModelled when a newer one did."""
    before = written_by(folder)
    if before is None or _numbers(before) == _numbers(mlflow):
        return False
    if _numbers(before) > _numbers(mlflow):
        raise NotModelled(
            f"The runs in {folder} were written by MLflow {before}; MLflow {mlflow}, which is installed, is older. "
            f"Install 'mlflow=={before}', or delete {folder / DATABASE} with the runs in it."
        )
    return True


def written_by(folder: Path) -> str | None:
    """The version of MLflow that last wrote the database in `folder`; None where there is no database."""
    file = folder / _WRITTEN_BY
    return file.read_text().strip() if file.is_file() and (folder / DATABASE).is_file() else None


def mark_written(folder: Path, mlflow: str) -> None:
    """Note the version of MLflow that writes the database in `folder` from now on."""
    (folder / _WRITTEN_BY).write_text(mlflow)


def upgrade_arguments() -> list[str]:
    """The module and the arguments that bring an older database up to date, in its folder."""
    return ["mlflow", "db", "upgrade", f"sqlite:///{DATABASE}"]


def server_arguments(mlflow: Path, socket: Path) -> list[str]:
    """The module and the arguments that run MLflow's server on a Unix socket.

    MLflow 3 is an ASGI application, MLflow 2 a WSGI one.
    """
    if (mlflow / "server" / "fastapi_app.py").is_file():
        options = ["--uds", str(socket), "--log-level", "warning"]
        return ["uvicorn", *options, "mlflow.server.fastapi_app:app"]
    options = ["--bind", f"unix:{socket}", "--worker-class", "gthread", "--threads", str(_THREADS)]
    return ["gunicorn", *options, "--log-level", "warning", "mlflow.server:app"]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])
