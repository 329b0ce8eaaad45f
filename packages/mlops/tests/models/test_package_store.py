"""Copies of model packages on this machine, fetched by several at once."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from azure.core.exceptions import ResourceNotFoundError

from mlops.core.errors import WorkspaceError
from mlops.models.package import package_digest
from mlops.models.package_store import fetch_package
from mlops.settings.project import Project, load_project

ROOT = Path(__file__).parents[4]
FETCHERS = 8


class RegistryStandIn:
    """Stands for a workspace or registry: it has one package, and hands it to all fetchers in one moment."""

    def __init__(self, package: Path, fetchers: int) -> None:
        self.models = self
        self._package = package
        self._together = Barrier(fetchers)

    def download(self, name: str, version: str, download_path: Path) -> None:
        """As the SDK does."""
        if version != "1":
            raise ResourceNotFoundError("no such version")
        shutil.copytree(self._package, Path(download_path) / name / "package")
        self._together.wait()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(root=tmp_path, settings=load_project(ROOT).settings)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    for name in ("schema.json", "model.onnx"):
        (folder / name).write_text(name)
    return folder


def test_the_same_package_fetched_at_once_is_kept_once_and_whole(project: Project, package: Path) -> None:
    place = RegistryStandIn(package, FETCHERS)

    with ThreadPoolExecutor(FETCHERS) as threads:
        fetched = list(threads.map(lambda _: fetch_package(place, project, "m", "1"), range(FETCHERS)))  # ty: ignore[invalid-argument-type]

    assert {digest for _, digest in fetched} == {package_digest(package)}
    assert {package_digest(folder) for folder, _ in fetched} == {package_digest(package)}
    assert len(list((project.root / ".mlops" / "models").iterdir())) == 1


def test_copy_that_was_changed_here_is_fetched_again(project: Project, package: Path) -> None:
    kept, digest = fetch_package(RegistryStandIn(package, 1), project, "m", "1")  # ty: ignore[invalid-argument-type]
    (kept / "model.onnx").write_text("tampered")

    again, _ = fetch_package(RegistryStandIn(package, 1), project, "m", "1")  # ty: ignore[invalid-argument-type]

    assert package_digest(again) == digest


def test_version_that_is_not_there_is_told(project: Project, package: Path) -> None:
    with pytest.raises(WorkspaceError, match="there is no version 9 of model m"):
        fetch_package(RegistryStandIn(package, 1), project, "m", "9")  # ty: ignore[invalid-argument-type]
