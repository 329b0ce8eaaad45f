"""Where a job's things lie: its log and artefacts in storage as the service has them, its working folder."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from azureml_emulator.jobs.definitions.steps import StepOutput
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.kernel.store import Store
from azureml_emulator.resources.scopes import ARTIFACT_CONTAINER
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.storage.locator import Locator

STEP_LOG = "user_logs/std_log.txt"
PIPELINE_LOG = "logs/azureml/executionlogs.txt"
# On Azure what a step writes into these folders of its working folder becomes an artefact of the job.
_ARTIFACT_FOLDERS = ("outputs", "logs")
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_TAIL_BYTES = 8192


class Places:
    """Answers and makes the places of jobs."""

    def __init__(self, store: Store, blobs: Blobs, locator: Locator, jobs: Path) -> None:
        self._store = store
        self._blobs = blobs
        self._locator = locator
        self._jobs = jobs

    def artifacts(self, scope: Scope, job: str) -> Path:
        """The folder of a job's logs and artefacts."""
        return self._blobs.path(scope.storage_account, ARTIFACT_CONTAINER, artifact_name(job, ""))

    def log(self, scope: Scope, job: str, name: str) -> Path:
        """A log file of a job, its folder made, its first byte not yet."""
        file = self.artifacts(scope, job) / name
        file.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        return file

    def working_folder(self, job: str) -> Path:
        """Where a step runs."""
        return self._jobs / job / "wd"

    def plan(self, job: str) -> Path:
        """The file that tells a parallel step's driver what to do; beside the working folder, not in it."""
        return self._jobs / job / "parallel" / "plan.json"

    def prepare(self, scope: Scope, job: str, code: Path | None) -> Path:
        """A fresh working folder with a copy of the code snapshot. Blocking: call it in a thread."""
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
        """Remove a step's working folder: what it made lies in storage. Blocking."""
        shutil.rmtree(self._jobs / job, ignore_errors=True)

    def forget(self, scope: Scope, job: str) -> None:
        """Remove everything of a job but its outputs, which other jobs and models may name. Blocking."""
        self.clear(job)
        shutil.rmtree(self.artifacts(scope, job), ignore_errors=True)

    def output(self, scope: Scope, job: str, name: str, output: StepOutput, datastore: str | None) -> Path:
        """Where an output goes: the author's place, else below `azureml/<job>/<output>`; its folder is made."""
        if output.uri:
            uri = output.uri.replace("${{name}}", job).replace("${{output_name}}", name)
            place = self._locator.path(uri, scope)
        elif datastore:
            place = self._locator.path(f"azureml://datastores/{datastore}/paths/azureml/{job}/{name}", scope)
        else:
            place = self._blobs.path(scope.storage_account, scope.default_container, f"azureml/{job}/{name}")
        if output.type == "uri_file":
            place = place if output.uri else place / name
            place.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        else:
            place.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        return place

    def relative(self, place: Path) -> str:
        """A place in storage as it is kept in a job's record."""
        return place.relative_to(self._blobs.root).as_posix()

    def address(self, scope: Scope, place: Path) -> str:
        """A place in storage as clients name it, by the datastore it belongs to."""
        _, container, *rest = place.relative_to(self._blobs.root).parts
        stores = self._store.children(scope.key, "datastores")
        name = next(store.name for store in stores if store.properties.get("containerName") == container)
        group = f"azureml://subscriptions/{scope.subscription}/resourcegroups/{scope.resource_group}"
        return f"{group}/workspaces/{scope.name}/datastores/{name}/paths/{'/'.join(rest)}"

    def absolute(self, relative: str) -> Path:
        """The place that a job's record names."""
        return self._blobs.root / relative


class LogFile:
    """What the emulator itself writes into a job's log."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def write(self, text: str) -> None:
        """Append one line."""
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(f"{text}\n")
        self.file.chmod(_FILE_MODE)

    def stamped(self, moment: datetime, text: str) -> None:
        """Append one line that begins with the time."""
        self.write(f"[{moment:%Y-%m-%d %H:%M:%S}Z] {text}")

    def tail(self, lines: int) -> str:
        """The last lines; empty when there is no log."""
        if not self.file.is_file():
            return ""
        with self.file.open("rb") as stream:
            stream.seek(max(0, self.file.stat().st_size - _TAIL_BYTES))
            text = stream.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def artifact_name(job: str, name: str) -> str:
    """The blob of a job's artefact, as the service names it."""
    return f"ExperimentRun/dcid.{job}/{name}"
