"""Expected settings of a repository in Azure DevOps, and the actual ones from `az`; nothing is interpreted here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlops.core.programs import output_of
from mlops.githost.interface import RemoteAddress
from mlops.githost.protection import Approvals, EnvironmentProtection, Names, Section


class MergeRequirements(Section):
    """What a merge into the branch requires."""

    approvals: Approvals
    build: str
    reviewed_paths: Names


class AzureDevOpsExpectations(Section):
    """Expected settings of a repository in Azure DevOps."""

    pull_requests: MergeRequirements
    environments: dict[str, EnvironmentProtection]
    connections: dict[str, EnvironmentProtection]

    def reviewed(self) -> tuple[str, ...]:
        """The paths of the policies of required reviewers."""
        return self.pull_requests.reviewed_paths


BUILD_POLICY: Final = "0609b952-1397-4640-95ec-e00a01b2c241"
_THREADS: Final = 6
_API_VERSION: Final = "7.1-preview"
_OTHERWISE: Final = "check the settings of the project by hand"

Document = Mapping[str, Any]


@dataclass(frozen=True)
class AzureSettings:
    """Documents of Azure DevOps: environments, connections and their checks by name, YAML files by pipeline id."""

    repository: Document
    policies: tuple[Document, ...]
    yaml_files: Mapping[int, str]
    environments: Mapping[str, Document]
    connections: Mapping[str, Document]
    environment_checks: Mapping[str, tuple[Document, ...]]
    connection_checks: Mapping[str, tuple[Document, ...]]


def read_settings(folder: Path, remote: RemoteAddress, wanted: AzureDevOpsExpectations) -> AzureSettings:
    """Read all settings. Raises MachineError without `az`, a login, or permission to see them."""
    client = _Client(folder, remote)
    repository = client.ask("repos", "show", "--repository", remote.name)
    policies = client.ask("repos", "policy", "list", "--repository-id", repository["id"])
    environments = _by_name(client.invoke("distributedtask", "environments"), wanted.environments)
    connections = _by_name(client.ask("devops", "service-endpoint", "list"), wanted.connections)
    builds = {each["settings"]["buildDefinitionId"] for each in policies if each["type"]["id"] == BUILD_POLICY}
    with ThreadPoolExecutor(_THREADS) as threads:
        files = threads.map(client.yaml_file, sorted(builds))
        approvals = threads.map(lambda each: client.checks("environment", each), environments.values())
        logins = threads.map(lambda each: client.checks("endpoint", each), connections.values())
        return AzureSettings(
            repository=repository,
            policies=tuple(policies),
            yaml_files=dict(zip(sorted(builds), files, strict=True)),
            environments=environments,
            connections=connections,
            environment_checks=dict(zip(environments, approvals, strict=True)),
            connection_checks=dict(zip(connections, logins, strict=True)),
        )


def organisation_url(remote: RemoteAddress) -> str:
    """The organisation's URL as `az` expects it."""
    return f"https://{remote.server}/{remote.owner}"


class _Client:
    """`az`, for one project."""

    def __init__(self, folder: Path, remote: RemoteAddress) -> None:
        self._folder = folder
        self._project = remote.project
        self._where = ("--org", organisation_url(remote), "--project", remote.project, "--output", "json")

    def ask(self, *words: str) -> Any:
        """The JSON of a command that takes organisation and project."""
        return json.loads(output_of(("az", *words, *self._where), self._folder, otherwise=_OTHERWISE) or "null")

    def invoke(self, area: str, resource: str, *query: str) -> list[Document]:
        """The list of a resource for which `az` has no command."""
        parameters = ("--query-parameters", *query) if query else ()
        route = ("--route-parameters", f"project={self._project}", *parameters, "--api-version", _API_VERSION)
        # This command takes the project only as a part of its route.
        where = (*self._where[:2], *self._where[4:])
        words = ("az", "devops", "invoke", "--area", area, "--resource", resource, *route, *where)
        return json.loads(output_of(words, self._folder, otherwise=_OTHERWISE))["value"]

    def yaml_file(self, pipeline: int) -> str:
        """The file that a pipeline runs; "" for one without."""
        shown = self.ask("pipelines", "show", "--id", str(pipeline))
        return (shown.get("process") or {}).get("yamlFilename", "")

    def checks(self, kind: str, resource: Document) -> tuple[Document, ...]:
        """The approvals and checks of an environment or connection, with their settings."""
        query = (f"resourceType={kind}", f"resourceId={resource['id']}", "$expand=settings")
        return tuple(self.invoke("pipelinesChecks", "configurations", *query))


def _by_name(documents: Iterable[Document], wanted: Iterable[str]) -> dict[str, Document]:
    names = set(wanted)
    return {each["name"]: each for each in documents if each["name"] in names}
