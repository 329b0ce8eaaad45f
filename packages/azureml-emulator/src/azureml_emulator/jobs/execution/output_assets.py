"""Registers outputs of completed steps as data assets and models, under the names that their jobs give them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from azureml_emulator.jobs.definitions.steps import Registration, Step, asset_kind
from azureml_emulator.jobs.job_paths import JobPaths
from azureml_emulator.jobs.job_records import JobRecords
from azureml_emulator.kernel.behaviours import Behaviour
from azureml_emulator.kernel.errors import EmulatorError, NotFound
from azureml_emulator.kernel.kinds import kind_of
from azureml_emulator.kernel.resource_id import ResourcePath, Scope
from azureml_emulator.kernel.store import Store

_FIRST_VERSION = "1"
# By output and by asset name.
Versions = dict[str, dict[str, str]]


class OutputAssets:
    """Registers outputs. `behaviours` has those of data and model versions, by the path of their kind."""

    def __init__(
        self, store: Store, records: JobRecords, job_paths: JobPaths, behaviours: Mapping[str, Behaviour]
    ) -> None:
        self._store = store
        self._records = records
        self._job_paths = job_paths
        self._behaviours = behaviours
        # Two steps must not take the same next version.
        self._one_at_a_time = asyncio.Lock()

    async def register(self, key: str, step: Step, scope: Scope, reused: Versions | None = None) -> None:
        """Register what the outputs of a completed step name, and record the version of each asset in its record.

        `reused` has the versions of the earlier run whose outputs these are; they are not registered again.
        Raises EmulatorError when an output does not exist, or a version exists with other content.
        """
        record = self._records.get(key)
        outputs = {name: self._job_paths.absolute(relative) for name, relative in record.internal["outputs"].items()}
        versions: Versions = {}
        for name, output in step.outputs.items():
            for registration in output.registrations:
                if not outputs[name].exists():
                    raise NotFound(
                        f"The step '{step.name}' did not write its output '{name}', which is to be registered as "
                        f"'{registration.name}'.",
                        code="UserError",
                    )
                known = (reused or {}).get(name, {}).get(registration.name)
                async with self._one_at_a_time:
                    version = await self._register(record.name, output.type, registration, scope, outputs[name], known)
                versions.setdefault(name, {})[registration.name] = version
        self._records.set_internal(key, registered=versions)

    async def _register(
        self, job: str, kind: str, registration: Registration, scope: Scope, path: Path, known: str | None
    ) -> str:
        container = ResourcePath(scope, ((asset_kind(kind), registration.name),))
        version = registration.version or known or self._next(container)
        target = container.child("versions", version)
        if version == known and self._store.get(target.key) is not None:
            return version
        address = self._job_paths.address(scope, path)
        if container.kind == "models":
            properties = {"modelUri": address, "modelType": kind, "jobName": job}
        else:
            properties = {"dataUri": address, "dataType": kind}
        try:
            await self._behaviours[target.kind].put(kind_of(target.kind), target, {"properties": properties})
        except EmulatorError as error:
            message = f"The output cannot be registered as '{registration.name}', version {version}: {error.message}"
            raise type(error)(message, code=error.error_code) from error
        return version

    def _next(self, container: ResourcePath) -> str:
        existing = self._store.get(container.key)
        return (existing.properties.get("nextVersion") if existing else None) or _FIRST_VERSION
