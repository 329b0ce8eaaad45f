"""Model packages on this machine: fetched by several at once, kept once, and read with the errors of a command."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from azure.core.exceptions import ResourceNotFoundError

from mlops.core.errors import InputError, JobFailed, WorkspaceError
from mlops.models.registered import ModelVersion, fetch_package, read_metrics, read_provenance, read_schema, release_of
from mlops.settings.project import Project, load_project
from model_package.evaluation import Estimate
from model_package.package import package_digest

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


def test_version_that_does_not_exist_is_refused(project: Project, package: Path) -> None:
    with pytest.raises(WorkspaceError, match="there is no version 9 of model m"):
        fetch_package(RegistryStandIn(package, 1), project, "m", "9")  # ty: ignore[invalid-argument-type]


def test_download_without_a_package_is_refused(project: Project, package: Path) -> None:
    (package / "model.onnx").unlink()

    with pytest.raises(JobFailed, match="no model package"):
        fetch_package(RegistryStandIn(package, 1), project, "m", "1")  # ty: ignore[invalid-argument-type]


def evaluation(**metrics: object) -> str:
    return json.dumps({"rows": 9, "positive_rate": 0.5, "threshold": 0.5, "metrics": metrics})


def test_metrics_are_read_with_their_intervals(package: Path) -> None:
    (package / "evaluation.json").write_text(
        evaluation(roc_auc={"value": 0.78, "low": 0.77, "high": 0.79}, f1={"value": None}, brier={"value": 0.4})
    )

    metrics = read_metrics(package)

    assert metrics == {"roc_auc": Estimate(0.78, 0.77, 0.79), "f1": Estimate(), "brier": Estimate(0.4)}


@pytest.mark.parametrize("document", [evaluation(), "{}", "[]", "{", evaluation(roc_auc=0.7)], ids=lambda text: text)
def test_evaluation_without_metrics_is_refused(package: Path, document: str) -> None:
    (package / "evaluation.json").write_text(document)

    with pytest.raises(JobFailed, match=r"evaluation\.json"):
        read_metrics(package)


def test_missing_documents_are_named(package: Path) -> None:
    (package / "schema.json").unlink()

    with pytest.raises(InputError, match=r"provenance of this model is unknown: there is no provenance\.json"):
        read_provenance(package)
    with pytest.raises(InputError, match=r"input schema of this model is unknown: there is no schema\.json"):
        read_schema(package)


def test_release_of_a_package_states_its_provenance_as_far_as_it_is_known(package: Path) -> None:
    (package / "provenance.json").write_text('{"job": "polite_fox", "data": {"version": "3"}}')
    provenance = read_provenance(package)

    release = release_of(provenance, ModelVersion("m", "3", "sha256:" + "a" * 64), "dev")

    assert (release.source.job, release.source.git_commit) == ("polite_fox", "unknown")
    assert (release.source.data.name, release.source.data.version) == ("unknown", "3")
    with pytest.raises(InputError, match="version 3 of model m cannot be released") as refused:
        release_of(provenance, ModelVersion("m", "3", "no digest"), "dev")
    assert refused.value.details[0].startswith("model.digest: ")
