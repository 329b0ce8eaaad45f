"""References to assets and to data: every `azureml:` form, parsed into frozen values.

Pure: no I/O. `storage/locator.py` finds what they refer to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.resource_id import ResourcePath, Scope, parse_resource_path

# The output that every job has: its logs, and what it logs with MLflow or writes into its folder `outputs`.
ARTIFACTS = "artifacts"
REGISTRY_PREFIX = "azureml://registries/"
# The registry of Azure's curated environments, which exist on Azure only.
CURATED_PREFIX = f"{REGISTRY_PREFIX}azureml/"
_REGISTRY_ASSET = re.compile(
    r"^azureml://registries/([^/]+)/([^/]+)/([^/]+)/(versions|labels)/([^/]+)/?$", re.IGNORECASE
)
_WORKSPACE_ASSET = re.compile(
    r"^azureml://locations/([^/]+)/workspaces/([^/]+)/([^/]+)/([^/]+)/(versions|labels)/([^/]+)/?$",
    re.IGNORECASE,
)
_DATASTORE = re.compile(
    r"^azureml://(?:subscriptions/(?P<subscription>[^/]+)/resource[gG]roups/(?P<group>[^/]+)"
    r"(?:/providers/Microsoft\.MachineLearningServices)?/workspaces/(?P<workspace>[^/]+)/)?"
    # The service itself writes some paths without `paths/`.
    r"datastores/(?P<datastore>[^/]+)(?:/(?:paths/)?(?P<path>.*))?$"
)
_JOB_OUTPUT = re.compile(r"^azureml://jobs/([^/]+)/outputs/([^/]+)(?:/(?:paths/)?(.*))?$")
_RUN = re.compile(r"^runs:/+([^/]+)(?:/(.*))?$")
_MLFLOW_ARTIFACT = re.compile(r"^mlflow-artifacts:/.+$")
# The account of a datastore here, which the SDK shows as a name, has a slash and a question mark.
_ACCOUNT = re.compile(r"^(?:wasbs?|abfss?)://([^@/]+)@([^@]+?)\.(?:blob|dfs)\.[a-z0-9.]+(?:/(.*))?$", re.IGNORECASE)
_LAKE = re.compile(r"^adl://([^./]+)\.azuredatalakestore\.net(?:/(.*))?$", re.IGNORECASE)
_SHORT = re.compile(r"^(?:azureml:)?(?P<name>[^:@/]+)(?::(?P<version>[^:@/]+)|@[^:@/]+)$")


@dataclass(frozen=True)
class InRegistry:
    """An asset of a registry, by the registry's name; `version` is None for the latest."""

    registry: str
    kind: str
    name: str
    version: str | None


@dataclass(frozen=True)
class InWorkspaceGuid:
    """An asset of a workspace that is named by its immutable id; `version` is None for the latest."""

    guid: str
    kind: str
    name: str
    version: str | None


@dataclass(frozen=True)
class InScope:
    """An asset of the scope in which the reference stands; `version` is None for the latest."""

    name: str
    version: str | None


@dataclass(frozen=True)
class InDatastore:
    """A path in a datastore; `scope` is None for the scope in which the reference stands."""

    datastore: str
    path: str
    scope: Scope | None = None


@dataclass(frozen=True)
class OfJob:
    """A named output of a job, or its artifacts, and optionally a path below it. MLflow's id of a run is a name too."""

    job: str
    output: str
    path: str


@dataclass(frozen=True)
class MlflowArtifact:
    """An artifact as MLflow's server names it."""

    uri: str


@dataclass(frozen=True)
class InAccount:
    """A path in a container of a storage account, by wasbs:// or abfss://; `container` is None for adl://."""

    account: str
    container: str | None
    path: str


@dataclass(frozen=True)
class Address:
    """An http address."""

    url: str


Reference = (
    ResourcePath | InRegistry | InWorkspaceGuid | InScope | InDatastore | OfJob | MlflowArtifact | InAccount | Address
)


def parse_reference(text: str) -> Reference:
    """Parse a reference in any of the forms that the SDK and the YAML use. Raises BadRequest for any other."""
    bare = text.removeprefix("azureml:") if text.startswith("azureml:/subscriptions") else text
    if bare.startswith("/subscriptions/"):
        return parse_resource_path(bare)
    if bare.startswith(("http://", "https://")):
        return Address(bare)
    for pattern, build in _FORMS:
        match = pattern.match(bare)
        if match:
            return build(match)
    raise BadRequest(f"'{text}' is not a reference to an asset or to data that the emulator understands.")


def _registry_asset(match: re.Match[str]) -> InRegistry:
    registry, kind, name, by, value = match.groups()
    return InRegistry(registry, kind, name, _version(by, value))


def _workspace_asset(match: re.Match[str]) -> InWorkspaceGuid:
    _, guid, kind, name, by, value = match.groups()
    return InWorkspaceGuid(guid, kind, name, _version(by, value))


def _version(by: str, value: str) -> str | None:
    """The version that a reference names; a label stands for the latest."""
    return value if by.lower() == "versions" else None


def _datastore(match: re.Match[str]) -> InDatastore:
    scope = None
    if match["workspace"]:
        scope = Scope(match["subscription"], match["group"], "workspaces", match["workspace"])
    return InDatastore(match["datastore"], match["path"] or "", scope)


def _job_output(match: re.Match[str]) -> OfJob:
    job, output, path = match.groups()
    return OfJob(job, output, path or "")


def _run(match: re.Match[str]) -> OfJob:
    run, path = match.groups()
    return OfJob(run, ARTIFACTS, path or "")


def _mlflow_artifact(match: re.Match[str]) -> MlflowArtifact:
    return MlflowArtifact(match[0])


def _account(match: re.Match[str]) -> InAccount:
    container, account, path = match.groups()
    return InAccount(account, container, path or "")


def _lake(match: re.Match[str]) -> InAccount:
    account, path = match.groups()
    return InAccount(account, None, path or "")


def _short(match: re.Match[str]) -> InScope:
    return InScope(match["name"], match["version"])


_FORMS = (
    (_REGISTRY_ASSET, _registry_asset),
    (_WORKSPACE_ASSET, _workspace_asset),
    (_DATASTORE, _datastore),
    (_JOB_OUTPUT, _job_output),
    (_RUN, _run),
    (_MLFLOW_ARTIFACT, _mlflow_artifact),
    (_ACCOUNT, _account),
    (_LAKE, _lake),
    (_SHORT, _short),
)
