"""Reuses an earlier run of the same step: same component content, same values, same bytes of inputs.

A run is reused only while its outputs still have the bytes that were hashed when it completed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from azureml_emulator.jobs.definitions.states import COMPLETED
from azureml_emulator.jobs.definitions.steps import Data, Literal, Step
from azureml_emulator.jobs.execution.content_hashes import ContentHashes
from azureml_emulator.jobs.job_records import job_path
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.kernel.store import Resource, Store

_TOPIC = "reuse"


class Reuse:
    """Earlier runs by fingerprint."""

    def __init__(self, store: Store, hashes: ContentHashes, root: Path) -> None:
        self._store = store
        self._hashes = hashes
        self._root = root

    async def fingerprint(
        self, step: Step, code: Path | None, environment: dict[str, Any], paths: dict[str, Path], python: str
    ) -> str:
        """A hash of everything that determines the outputs of a step.

        `paths` has its data inputs, and `python` identifies its interpreter.
        """
        inputs: dict[str, list[str]] = {}
        for name, step_input in step.inputs.items():
            if isinstance(step_input.source, Literal):
                inputs[name] = ["literal", step_input.source.text]
            elif name not in paths and isinstance(step_input.source, Data):
                inputs[name] = ["address", step_input.type, step_input.mode, step_input.source.uri]
            else:
                content = await asyncio.to_thread(self._hashes.of, paths[name])
                inputs[name] = ["data", step_input.type, step_input.mode, content]
        facts = {
            "command": step.command,
            "code": await asyncio.to_thread(self._hashes.of, code) if code else None,
            "environment": environment,
            "variables": step.environment_variables,
            "inputs": inputs,
            "outputs": {name: [output.type, output.uri] for name, output in step.outputs.items()},
            "python": python,
        }
        if step.distribution is not None:
            facts["distribution"] = asdict(step.distribution)
        if step.parallel is not None:
            facts["parallel"] = asdict(step.parallel)
        if step.spark is not None:
            facts["spark"] = asdict(step.spark)
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    async def find(self, scope: Scope, fingerprint: str) -> Resource | None:
        """The earlier job with this fingerprint whose outputs are unchanged, or None."""
        record = self._store.record(f"{_TOPIC} {scope.key}", fingerprint)
        job = self._store.get(job_path(scope, record["job"]).key) if record else None
        if record is None or job is None or job.properties["status"] != COMPLETED:
            return None
        unchanged = await asyncio.to_thread(self._unchanged, record["contents"], job.internal["outputs"])
        return job if unchanged else None

    async def remember(self, scope: Scope, fingerprint: str, job: Resource) -> None:
        """Record a completed job for later runs of the same step."""
        contents = await asyncio.to_thread(self._contents, job.internal["outputs"])
        self._store.put_record(f"{_TOPIC} {scope.key}", fingerprint, {"job": job.name, "contents": contents})

    def _contents(self, outputs: dict[str, str]) -> dict[str, str | None]:
        paths = {name: self._root / relative for name, relative in outputs.items()}
        return {name: self._hashes.of(path) if path.exists() else None for name, path in paths.items()}

    def _unchanged(self, contents: dict[str, str | None], outputs: dict[str, str]) -> bool:
        return self._contents(outputs) == contents
