"""Asset versions that the service keeps in another form than it was sent: components, data, environments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from azureml_emulator.kernel.behaviours import Stored, VersionBehaviour
from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.immutability import DESCRIBING, changed_content, means_the_same
from azureml_emulator.kernel.kinds import Kind
from azureml_emulator.kernel.resource_id import ResourcePath, Scope, parse_resource_path
from azureml_emulator.kernel.store import Resource
from azureml_emulator.resources.normal_forms import component_specification, conda_file, long_path, specification_of_job
from azureml_emulator.resources.uploaded_versions import UploadedVersions
from azureml_emulator.storage.curated_environments import with_registry

# The internal field with the specification as its author sent it, which has more than the service answers.
_AS_SENT = "specification"
_PIPELINE_JOB = "Pipeline"


class Components(VersionBehaviour):
    """Component versions: answered in the service's form, run from what their author sent."""

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Store a version. The description is in its specification only."""
        properties = body.get("properties", {})
        sent = properties.get("componentSpec")
        if not isinstance(sent, dict):
            return await super().put(kind, path, body)
        sent = self._completed(sent, path)
        specification = _with_registry(component_specification(sent, path.name), path.scope)
        normal = {**properties, "componentSpec": specification, "description": None}
        existing = self.store.get(path.key)
        _refuse_other_steps(kind, existing, sent)
        before = author_specification(existing) if existing is not None else sent
        kept = {**before, **{name: sent[name] for name in DESCRIBING if name in sent}}
        return self.put_version(kind, path, {**body, "properties": normal}, **{_AS_SENT: kept})

    def _completed(self, sent: dict[str, Any], path: ResourcePath) -> dict[str, Any]:
        """The specification with the steps, inputs and outputs of the job from which it is made, if any.

        Raises BadRequest when there is no such pipeline job.
        """
        source = sent.get("source_job_id") or sent.get("sourceJobId")
        if not source or sent.get("jobs"):
            return sent
        job = self.store.get(ResourcePath(path.scope, (("jobs", str(source).rsplit("/", 1)[-1]),)).key)
        if job is None or job.properties.get("jobType") != _PIPELINE_JOB:
            raise BadRequest(
                f"The component cannot be made from '{source}', which is not a pipeline job of this workspace.",
                code="UserError",
                target="componentSpec.sourceJobId",
            )
        made = specification_of_job(job.properties)
        if not made["jobs"] and job.properties.get("componentId"):
            component = self.store.get(parse_resource_path(job.properties["componentId"]).key)
            made |= author_specification(component) if component is not None else {}
        return {**made, **{name: value for name, value in sent.items() if value}}


class DataVersions(UploadedVersions):
    """Data versions, with the whole path of their data."""

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Store a version with the path that names its workspace; none is anonymous."""
        properties = body.get("properties", {})
        uri = long_path(properties.get("dataUri"), path.scope, properties.get("dataType"))
        return await super().put(kind, path, {**body, "properties": {**properties, "dataUri": uri}})

    def of_container(self, stored: Stored) -> dict[str, Any]:
        """The type of data, which is the same for all versions."""
        return {"dataType": stored.resource.properties.get("dataType")} if stored.resource is not None else {}

    def present(self, resource: Resource) -> dict[str, Any]:
        """The document; a version of an earlier release of the emulator has a short path."""
        scope = parse_resource_path(resource.id).scope
        uri = long_path(resource.properties.get("dataUri"), scope, resource.properties.get("dataType"))
        return super().present(resource.with_properties(dataUri=uri, isAnonymous=False))


class Environments(VersionBehaviour):
    """Environment versions, whose conda file is kept as JSON."""

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Store a version. The service answers every one as created, also when it existed."""
        properties = body.get("properties", {})
        if properties.get("condaFile") is not None:
            body = {**body, "properties": {**properties, "condaFile": conda_file(properties["condaFile"])}}
        return replace(await super().put(kind, path, body), created=True)


def _with_registry(specification: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """The specification, in which curated environments have their registry."""
    if "environment" in specification:
        specification = {**specification, "environment": with_registry(specification["environment"], scope)}
    task = specification.get("task")
    return {**specification, "task": _with_registry(task, scope)} if isinstance(task, dict) else specification


def _refuse_other_steps(kind: Kind, existing: Resource | None, sent: dict[str, Any]) -> None:
    """Raise BadRequest when a version of a pipeline component, whose answers have no steps, would get others."""
    if existing is None or not sent.get("jobs"):
        return
    if not means_the_same(author_specification(existing).get("jobs"), sent["jobs"]):
        raise changed_content(kind, existing, "jobs")


def author_specification(component: Resource) -> dict[str, Any]:
    """The specification of a component version as its author sent it, from which it runs."""
    return component.internal.get(_AS_SENT) or component.properties["componentSpec"]
