"""The versions of MLflow and gunicorn with which the emulator runs, and that it declares what it imports.

The tests beside this file pass with MLflow 2 as well. To run them with it, install into a second environment:
./packages/azureml-emulator azure-ai-ml azure-identity azureml-mlflow==1.60.0 "mlflow<3" "sqlalchemy<2.1" httpx
hypothesis jsonschema pytest pytest-timeout pytest-xdist trustme
"""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest

import azureml_emulator
from azureml_emulator.jobs.tracking import mlflow_versions
from azureml_emulator.kernel.errors import NotModelled
from azureml_emulator.serving.servers import revision

SOURCE = Path(azureml_emulator.__file__).parent
PROJECT = SOURCE.parents[1] / "pyproject.toml"


def test_mlflow_3_is_an_asgi_application_and_mlflow_2_a_wsgi_one(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    assert mlflow_versions.server_arguments(tmp_path, tmp_path / "socket")[0] == "gunicorn"
    (tmp_path / "server" / "fastapi_app.py").touch()
    assert mlflow_versions.server_arguments(tmp_path, tmp_path / "socket")[0] == "uvicorn"


@pytest.mark.parametrize("version", ["22.0.0", "23.0.0", "25.0.3"])
def test_an_older_gunicorn_gets_no_option_that_it_does_not_know(version: str) -> None:
    assert "--no-control-socket" not in revision.server_arguments(version)


@pytest.mark.parametrize("version", ["25.1.0", "26.0"])
def test_a_newer_gunicorn_opens_no_control_socket(version: str) -> None:
    assert "--no-control-socket" in revision.server_arguments(version)


@pytest.mark.parametrize(("mlflow", "sqlalchemy"), [("2.22.5", "2.0.58"), ("3.15.0", "2.1.9"), ("3.0.0rc1", "2.0.1")])
def test_libraries_that_fit(mlflow: str, sqlalchemy: str) -> None:
    mlflow_versions.check_versions(mlflow, sqlalchemy)


def test_libraries_that_do_not_fit_are_named() -> None:
    with pytest.raises(NotModelled, match=r"MLflow 2\.22\.5 cannot use .* Install 'sqlalchemy<2\.1'"):
        mlflow_versions.check_versions("2.22.5", "2.1.9")


def test_runs_of_an_older_mlflow_are_upgraded_and_those_of_a_newer_one_refused(tmp_path: Path) -> None:
    assert not mlflow_versions.needs_upgrade(tmp_path, "2.22.5")
    mlflow_versions.mark_written(tmp_path, "2.22.5")
    (tmp_path / mlflow_versions.DATABASE).touch()
    assert not mlflow_versions.needs_upgrade(tmp_path, "2.22.4")
    assert mlflow_versions.needs_upgrade(tmp_path, "3.15.0")
    mlflow_versions.mark_written(tmp_path, "3.15.0")
    with pytest.raises(NotModelled, match=r"written by MLflow 3\.15\.0.*Install 'mlflow==3\.15\.0'"):
        mlflow_versions.needs_upgrade(tmp_path, "2.22.5")


def test_every_package_that_is_imported_is_declared() -> None:
    project = tomllib.loads(PROJECT.read_text())["project"]
    extras = project.get("optional-dependencies", {}).values()
    needed = [*project["dependencies"], *chain.from_iterable(extras)]
    declared = {_normal(re.split(r"[<>=!;\[ ]", each)[0]) for each in needed}
    providers = importlib.metadata.packages_distributions()
    undeclared = {
        f"{file.relative_to(SOURCE)}: {name}"
        for file in SOURCE.rglob("*.py")
        for name in _imported(file)
        # What is not installed here belongs to an extra, and is checked where that is installed.
        if name in providers
        and name not in sys.stdlib_module_names | {"azureml_emulator"}
        and not declared & {_normal(each) for each in providers[name]}
    }
    assert undeclared == set()


def _imported(file: Path) -> set[str]:
    """The top-level packages that a module imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
