"""Resolves references: to the resource of an asset, and to the file or folder with its bytes.

Reads the store and storage, changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from azureml_emulator.kernel.errors import BadRequest, NotFound, NotModelled
from azureml_emulator.kernel.references import (
    ARTIFACTS,
    Address,
    InAccount,
    InDatastore,
    InRegistry,
    InScope,
    InWorkspaceGuid,
    MlflowArtifact,
    OfJob,
    parse_reference,
)
from azureml_emulator.kernel.resource_id import ResourcePath, Scope, parse_resource_path
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.storage.curated_environments import LATEST, curated_environment
from azureml_emulator.storage.foreign_assets import is_public, missing
from azureml_emulator.storage.run_artifacts import RunArtifacts, artifact_path, job_of_run

# The names of the output that every job has; the second one is that of a job's document.
_ARTIFACT_OUTPUTS = (ARTIFACTS, "default")
_OWN_HOSTS = frozenset({"127.0.0.1", "localhost"})
_BLOB_SUFFIX = ".blob.core.windows.net"
_STORAGE_SERVICES = frozenset({"blob", "dfs"})
_WEB = ("http://", "https://")
_CONTENT_PROPERTY = {"models/versions": "modelUri", "data/versions": "dataUri", "codes/versions": "codeUri"}


class Locator:
    """Resolves references in the scope in which they stand."""

    def __init__(self, store: Store, blobs: Blobs, artifacts: RunArtifacts) -> None:
        self._store = store
        self._blobs = blobs
        self._artifacts = artifacts

    def asset(self, text: str, kind: str, scope: Scope) -> Resource:
        """The asset version that `text` refers to; short forms are of the type `kind` ("models"). Raises NotFound."""
        reference = parse_reference(text)
        match reference:
            case ResourcePath():
                return self._by_path(reference, text)
            case InRegistry(registry=registry, kind=named, name=name, version=version):
                return self._version(self._registry(registry), named, name, version, text)
            case InWorkspaceGuid(guid=guid, kind=named, name=name, version=version):
                return self._version(self._workspace(guid), named, name, version, text)
            case InScope(name=name, version=version):
                return self._version(scope, kind, name, version, text)
            case _:
                raise BadRequest(f"'{text}' does not refer to one of {kind}.")

    def path(self, text: str, scope: Scope) -> Path:
        """The path of the bytes that a data or asset reference refers to; it may not exist yet."""
        reference = parse_reference(text)
        match reference:
            case InDatastore(datastore=datastore, path=path, scope=named):
                return self._in_datastore(named or scope, datastore, path)
            case OfJob():
                return self._job_output(reference, scope)
            case MlflowArtifact(uri=uri):
                return self._artifacts.at(uri)
            case Address(url=url):
                return self._in_storage(url, scope)
            case InAccount():
                return self._in_account(reference, text, scope)
            case InScope() | ResourcePath() | InRegistry() | InWorkspaceGuid():
                return self.content(self.asset(text, "data", scope))

    def web_address(self, text: str, scope: Scope) -> str | None:
        """The address of the web that a data reference leads to, by itself or by an asset; None for what is here."""
        reference = parse_reference(text)
        match reference:
            case Address(url=url):
                return None if self._path_here(url, scope) else url
            case InScope() | ResourcePath() | InRegistry() | InWorkspaceGuid():
                resource = self.asset(text, "data", scope)
                name = _CONTENT_PROPERTY.get(resource.kind, "")
                uri, owner = str(resource.properties.get(name) or ""), parse_resource_path(resource.id).scope
                return self.web_address(uri, owner) if is_web(uri) else None
            case _:
                return None

    def build_context(self, url: str, scope: Scope) -> Path:
        """The folder of a build context. The SDK leaves out the account, which stands in the path of addresses here."""
        container, _, name = unquote(urlsplit(url).path).lstrip("/").partition("/")
        if name and self._blobs.has_container(scope.storage_account, container):
            return self._blobs.path(scope.storage_account, container, name.rstrip("/"))
        return self._in_storage(url.rstrip("/"), scope)

    def job_of(self, text: str, scope: Scope) -> str | None:
        """The name of the job that wrote what a reference refers to, where the reference says so."""
        match parse_reference(text):
            case OfJob(job=job):
                return self._job(job, scope).name
            case MlflowArtifact(uri=uri):
                return self._artifacts.job_of(uri)
            case _:
                return None

    def content(self, resource: Resource) -> Path:
        """The path of the bytes of a model, data or code version."""
        name = _CONTENT_PROPERTY.get(resource.kind)
        if name is None:
            raise BadRequest(f"{resource.id} has no content in storage.")
        return self.path(resource.properties[name], parse_resource_path(resource.id).scope)

    def _by_path(self, path: ResourcePath, text: str) -> Resource:
        """The asset version with this id, in which a label stands for the latest version."""
        if len(path.pairs) == 2 and path.pairs[1][0].lower() == "labels":
            kind, name = path.pairs[0]
            return self._version(path.scope, kind, name, None, text)
        found = curated_environment(path) if self._store.get(path.key) is None else None
        found = found or self._store.get(path.key)
        if found is None:
            raise missing(path, text)
        return found

    def _resource(self, key: str, text: str) -> Resource:
        resource = self._store.get(key)
        if resource is None:
            raise NotFound(f"{text} does not exist.", code="ResourceNotFound")
        return resource

    def _version(self, scope: Scope, kind: str, name: str, version: str | None, text: str) -> Resource:
        container = ResourcePath(scope, ((kind, name),))
        if version is not None:
            return self._by_path(container.child("versions", version), text)
        versions = self._store.children(container.key, f"{kind}/versions")
        current = [resource for resource in versions if not resource.properties.get("isArchived")]
        if not current:
            curated = curated_environment(container.child("versions", LATEST))
            if curated is not None:
                return curated
            if scope.kind == "registries":
                raise missing(container, text)
            raise NotFound(f"'{text}': {kind} '{name}' has no version.", code="ResourceNotFound")
        return current[-1]

    def _registry(self, name: str) -> Scope:
        for resource in self._store.of_kind("registries"):
            if resource.name.lower() == name.lower():
                return parse_resource_path(resource.id).scope
        if is_public(name):
            return Scope(name, name, "registries", name)
        raise NotFound(f"The registry '{name}' does not exist.", code="ResourceNotFound")

    def _workspace(self, guid: str) -> Scope:
        for resource in self._store.of_kind("workspaces"):
            scope = parse_resource_path(resource.id).scope
            if guid.lower() in {scope.guid, scope.name.lower()}:
                return scope
        raise NotFound(f"A workspace with the id '{guid}' does not exist.", code="ResourceNotFound")

    def _in_datastore(self, scope: Scope, datastore: str, path: str) -> Path:
        key = ResourcePath(scope, (("datastores", datastore),)).key
        resource = self._resource(key, f"datastore '{datastore}'")
        container = resource.properties.get("containerName")
        if not container:
            kind = resource.properties.get("datastoreType")
            raise NotModelled(
                f"The datastore '{datastore}' is of the type {kind}, which the emulator keeps as a document: "
                "it reads and writes data in blob datastores only."
            )
        return self._blobs.path(scope.storage_account, container, path)

    def _job(self, name: str, scope: Scope) -> Resource:
        """A job by its name, or by the id of its MLflow run."""
        found = self._store.get(ResourcePath(scope, (("jobs", job_of_run(self._store, name)),)).key)
        return found or self._resource(ResourcePath(scope, (("jobs", name),)).key, f"job '{name}'")

    def _job_output(self, reference: OfJob, scope: Scope) -> Path:
        job = self._job(reference.job, scope)
        outputs = job.internal.get("outputs", {})
        if reference.output in outputs:
            return self._blobs.root / outputs[reference.output] / artifact_path(reference.path)
        if reference.output in _ARTIFACT_OUTPUTS:
            owner = job.internal.get("reused", job.name)
            return self._artifacts.of_job(scope, owner) / artifact_path(reference.path)
        known = ", ".join(sorted({*outputs, ARTIFACTS}))
        raise NotFound(f"The job '{job.name}' has no output '{reference.output}' (it has: {known}).")

    def _in_storage(self, url: str, scope: Scope) -> Path:
        path = self._path_here(url, scope)
        if path is None:
            raise NotModelled(
                f"'{url}' is not in the emulator's storage. Of the web, the emulator downloads inputs of jobs only: "
                "download the file, and name the local one."
            )
        return path

    def _path_here(self, url: str, scope: Scope) -> Path | None:
        """The path of an address in the emulator's storage, or in an account that a datastore names; else None."""
        parts = urlsplit(url.replace(f"?{_BLOB_SUFFIX}/", "/"))
        first, _, rest = unquote(parts.path).lstrip("/").partition("/")
        if parts.hostname in _OWN_HOSTS:
            container, _, name = rest.partition("/")
            here = container and (self._blobs.root / first).is_dir()
            return self._blobs.path(first, container, name) if here else None
        account, _, service = (parts.hostname or "").partition(".")
        if service.partition(".")[0] in _STORAGE_SERVICES and self._has_datastore(scope, account, first):
            return self._blobs.path(scope.storage_account, first, rest)
        return None

    def _in_account(self, reference: InAccount, text: str, scope: Scope) -> Path:
        container, account = reference.container, reference.account.rstrip("?").rpartition("/")[2]
        if container is not None:
            known = self._blobs.has_container(scope.storage_account, container)
            if (account == scope.storage_account and known) or self._has_datastore(scope, account, container):
                return self._blobs.path(scope.storage_account, container, unquote(reference.path))
        raise NotModelled(
            f"'{text}' is in the storage account '{account}', which the emulator does not have. Download the files and "
            "register them as a data asset (`Data(path=<local folder>)`), or upload them to a blob datastore with "
            "this account and container: then this address leads there."
        )

    def _has_datastore(self, scope: Scope, account: str, container: str) -> bool:
        """Whether a blob datastore of a scope names this account and container."""
        wanted = (account.lower(), container)
        stores = (store.properties for store in self._store.children(scope.key, "datastores"))
        return any(wanted == (str(each.get("accountName")).lower(), each.get("containerName")) for each in stores)


def is_web(uri: str) -> bool:
    """Whether a path is an address that begins as those of the web do; some lead into the emulator's storage."""
    return uri.startswith(_WEB)
