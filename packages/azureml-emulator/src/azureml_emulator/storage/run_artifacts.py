"""The artifacts of runs: one folder per job, which the Blob service, the job's own process and MLflow all see.

The folders are in MLflow's tree, because MLflow serves nothing outside of it. The container of a workspace's artifacts
is a link to them, and so is the place where MLflow expects those of a run.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path, PurePosixPath

from azureml_emulator.kernel.names import relative_path
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.kernel.store import Store
from azureml_emulator.storage.blobs import Blobs

# Where the service keeps the logs and artifacts of jobs.
ARTIFACT_CONTAINER = "azureml"
MLFLOW_ARTIFACTS = "mlflow-artifacts:/"
_RUNS = "mlflow run"
_MODEL_FILE = "MLmodel"
_FOLDER_MODE = 0o700
_OF_RUN = re.compile(r"^[^/]+/(?P<run>[^/]+)/artifacts(?:/.*)?$")


class RunArtifacts:
    """Finds and links the folders of artifacts. `folder` is the root of what MLflow's server serves."""

    def __init__(self, store: Store, blobs: Blobs, folder: Path) -> None:
        self._store = store
        self._blobs = blobs
        self._folder = folder

    def open(self, scope: Scope) -> None:
        """Make the container of a workspace's artifacts a link into MLflow's tree; what is there already moves."""
        target = self._folder / scope.storage_account
        container = self._blobs.root / scope.storage_account / ARTIFACT_CONTAINER
        if container.is_symlink() and container.exists():
            return
        if container.is_symlink():
            container.unlink()
        target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        if container.is_dir():
            container.rename(target)
        target.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        container.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        _link(container, target)

    def delete(self, scope: Scope) -> None:
        """Delete the artifacts of all jobs of a workspace. Blocking."""
        shutil.rmtree(self._folder / scope.storage_account, ignore_errors=True)

    def of_job(self, scope: Scope, job: str) -> Path:
        """The folder of a job's logs and artifacts."""
        return self._blobs.path(scope.storage_account, ARTIFACT_CONTAINER, artifact_name(job, ""))

    def link(self, uri: str, scope: Scope, job: str) -> None:
        """Let the artifacts of a run, which MLflow has at `uri`, be those of the job."""
        if not uri.startswith(MLFLOW_ARTIFACTS):
            # The experiment keeps its artifacts elsewhere.
            return
        place, target = self.at(uri), self.of_job(scope, job)
        target.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        if not place.is_symlink() and not place.exists():
            place.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            _link(place, target)

    def keep_model(self, uri: str, scope: Scope, job: str, name: str) -> None:
        """Add a model that MLflow keeps outside of its run to the run's artifacts, under its name. Blocking.

        MLflow 2 logs models into the run's artifacts, which is where references of Azure's users point to.
        """
        source = self.at(uri)
        target = self.of_job(scope, job) / artifact_path(name)
        for file in source.rglob("*"):
            if not file.is_file():
                continue
            copy = target / file.relative_to(source)
            copy.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            copy.unlink(missing_ok=True)
            copy.hardlink_to(file)

    def named(self, uri: str, scope: Scope, run: str, name: str) -> str:
        """A reference to a model that MLflow has at `uri`: by its run and name, unless another has that name now."""
        added = self.of_job(scope, job_of_run(self._store, run)) / artifact_path(name) / _MODEL_FILE
        logged = self.at(uri) / _MODEL_FILE
        return f"runs:/{run}/{name}" if run and added.is_file() and added.samefile(logged) else uri

    def at(self, uri: str) -> Path:
        """The path of an artifact as MLflow names it: `mlflow-artifacts:/1/<run>/artifacts/…`. Raises BadRequest."""
        return self._folder / artifact_path(uri.removeprefix(MLFLOW_ARTIFACTS))

    def job_of(self, uri: str) -> str | None:
        """The job to whose run an artifact belongs, or None."""
        match = _OF_RUN.match(uri.removeprefix(MLFLOW_ARTIFACTS).strip("/"))
        return job_of_run(self._store, match["run"]) if match else None


def artifact_name(job: str, name: str) -> str:
    """The blob name of a job's artifact, as on Azure."""
    return f"ExperimentRun/dcid.{job}/{name}"


def remember_run(store: Store, run: str, job: str) -> None:
    """Record to which job an MLflow run belongs."""
    store.put_record(_RUNS, run, {"job": job})


def job_of_run(store: Store, run: str) -> str:
    """The name of the job of an MLflow run; an unknown id is returned unchanged."""
    return (store.record(_RUNS, run) or {}).get("job", run)


def artifact_path(path: str) -> PurePosixPath:
    """A path below a folder of artifacts, or below an output. Raises BadRequest for one that leaves it."""
    return relative_path(path, what="path of an artifact", code="UserError")


def _link(place: Path, target: Path) -> None:
    place.symlink_to(os.path.relpath(target, place.parent), target_is_directory=True)
