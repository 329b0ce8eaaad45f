"""The paths of jobs: logs, artifacts and outputs in storage, as the service lays them out, and working folders."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from azureml_emulator.jobs.definitions.distribution import LOG_FOLDER
from azureml_emulator.jobs.definitions.steps import VALUE_TYPES, StepOutput
from azureml_emulator.jobs.definitions.sweep import SWEEP_LOG
from azureml_emulator.kernel.references import ARTIFACTS
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.kernel.store import Store
from azureml_emulator.resources.normal_forms import datastore_path
from azureml_emulator.resources.scopes import DEFAULT_DATASTORE
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.storage.locator import Locator
from azureml_emulator.storage.run_artifacts import RunArtifacts

PIPELINE_LOG = "logs/azureml/executionlogs.txt"
# As on Azure, files in these folders of the working folder become artifacts of the job.
_ARTIFACT_FOLDERS = ("outputs", "logs")
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


class JobPaths:
    """Computes the paths of jobs, and creates and deletes their folders."""

    def __init__(self, store: Store, blobs: Blobs, locator: Locator, artifacts: RunArtifacts, jobs: Path) -> None:
        self._store = store
        self._blobs = blobs
        self._locator = locator
        self._artifacts = artifacts
        self._jobs = jobs

    @property
    def state(self) -> Path:
        """The folder of everything that the emulator keeps."""
        return self._blobs.root.parent

    def artifacts(self, scope: Scope, job: str) -> Path:
        """The folder of a job's logs and artifacts."""
        return self._artifacts.of_job(scope, job)

    def log(self, scope: Scope, job: str, name: str) -> Path:
        """A log file of a job. Its folder is created, the file is not."""
        file = self.artifacts(scope, job) / name
        file.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        return file

    def logs(self, scope: Scope, job: str) -> list[str]:
        """The names of a job's logs that exist: a pipeline and a sweep have one, a step one per process."""
        folder = self.artifacts(scope, job)
        found = [folder / PIPELINE_LOG, folder / SWEEP_LOG, *sorted((folder / LOG_FOLDER).glob("*.txt"))]
        return [file.relative_to(folder).as_posix() for file in found if file.is_file()]

    def working_folder(self, job: str) -> Path:
        """The working folder of a step."""
        return self._jobs / job / "wd"

    def plan(self, job: str, kind: str) -> Path:
        """The plan of a step of a kind, such as "parallel", in a folder beside its working folder."""
        return self._jobs / job / kind / "plan.json"

    def tables(self, job: str) -> Path:
        """The folder of copies of tables that a step reads, beside its working folder."""
        return self._jobs / job / "tables"

    def prepare(self, scope: Scope, job: str, code: Path | None) -> Path:
        """Create a working folder with a copy of the code snapshot. Blocking: call it in a thread."""
        folder = self.working_folder(job)
        folder.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        if code is None:
            folder.mkdir(mode=_FOLDER_MODE)
        else:
            shutil.copytree(code, folder)
        for name in _ARTIFACT_FOLDERS:
            if not (folder / name).exists():
                target = self.artifacts(scope, job) / name
                target.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
                (folder / name).symlink_to(target, target_is_directory=True)
        return folder

    def clear(self, job: str) -> None:
        """Delete the working folder of a step, whose outputs are in storage. Blocking."""
        shutil.rmtree(self._jobs / job, ignore_errors=True)

    def delete(self, scope: Scope, job: str) -> None:
        """Delete everything of a job except its outputs, to which other jobs and models may refer. Blocking."""
        self.clear(job)
        shutil.rmtree(self.artifacts(scope, job), ignore_errors=True)

    def output(
        self, scope: Scope, job: str, name: str, output: StepOutput, datastore: str | None, *, is_made: bool = True
    ) -> Path:
        """The path of an output: the author's, else below `azureml/<job>/<output>`.

        Its folder is made, or only the one above it: Spark refuses to write a table into a folder that exists. As on
        Azure, an output with the name `artifacts` is the folder of the job's artifacts.
        """
        if name == ARTIFACTS and not output.uri:
            path = self.artifacts(scope, job)
        elif output.uri:
            path = self._locator.path(_filled(output.uri, job, name, datastore or DEFAULT_DATASTORE), scope)
        elif datastore:
            path = self._locator.path(f"azureml://datastores/{datastore}/paths/azureml/{job}/{name}", scope)
        else:
            path = self._blobs.path(scope.storage_account, scope.default_container, f"azureml/{job}/{name}")
        is_file = output.type == "uri_file" or output.type in VALUE_TYPES
        if is_file or not is_made:
            path = path / name if is_file and not output.uri else path
            path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        else:
            path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        return path

    def copy(self, source: Path, target: Path) -> None:
        """Copy an output, a file or a folder, to another path in storage. Blocking."""
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.exists():
            target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def discard(self, job: str, outputs: Iterable[str]) -> None:
        """Delete the working folder and the outputs of a job that will run again. Blocking."""
        self.clear(job)
        for relative in outputs:
            path = self.absolute(relative)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def relative(self, path: Path) -> str:
        """A path in storage as job records keep it."""
        return path.relative_to(self._blobs.root).as_posix()

    def address(self, scope: Scope, path: Path) -> str:
        """A path in storage as clients name it, by its datastore."""
        _, container, *rest = path.relative_to(self._blobs.root).parts
        stores = self._store.children(scope.key, "datastores")
        name = next(store.name for store in stores if store.properties.get("containerName") == container)
        return datastore_path(scope, name, "/".join(rest))

    def absolute(self, relative: str) -> Path:
        """The path for an entry of a job record."""
        return self._blobs.root / relative


def _filled(uri: str, job: str, output: str, datastore: str) -> str:
    """The path that an author gave an output, with the values of the names that the service knows there."""
    for name, value in (("name", job), ("output_name", output), ("default_datastore", datastore)):
        uri = uri.replace(f"${{{{{name}}}}}", value)
    return uri


class LogFile:
    """The log of a job, as the emulator itself writes to it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def write(self, text: str) -> None:
        """Append one line."""
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(f"{text}\n")
        self.file.chmod(_FILE_MODE)

    def stamped(self, moment: datetime, text: str) -> None:
        """Append one line with a timestamp."""
        self.write(f"[{moment:%Y-%m-%d %H:%M:%S}Z] {text}")
