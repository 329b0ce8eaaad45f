"""Azure DevOps Services: its addresses, and which module here does which part of `GitHost`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlops.githost.azure_devops.job import AzurePipelines
from mlops.githost.interface import Attested, CIJob, GitHost, PullRequests, RemoteAddress, Replay
from mlops.githost.remote_url import path_of, server_of

if TYPE_CHECKING:
    from mlops.githost.protection import Expectations, Finding, Section
    from mlops.githost.stage_blocks import StageBlock

_SERVER: Final = "dev.azure.com"
_OLD_SERVER: Final = ".visualstudio.com"
_OLD_SSH_SERVER: Final = "vs-ssh."
_NO_PARTS: Final = frozenset({"v3", "_git", "DefaultCollection"})


class AzureDevOps(GitHost):
    """Azure DevOps Services, asked by `az`."""

    key = "azure_devops"
    name = "Azure DevOps"
    training_command = "az pipelines run --name train --parameters fresh=true"
    ci_files = (".azuredevops/**/*.yml", "azure-pipelines.yml")

    def owns_server(self, server: str) -> bool:
        """dev.azure.com, and the older ORGANISATION.visualstudio.com."""
        return server == _SERVER or server.endswith((_OLD_SERVER, f".{_SERVER}"))

    def parse(self, url: str) -> RemoteAddress | None:
        """ORGANISATION/PROJECT/NAME, by https or ssh."""
        server = server_of(url)
        parts = [part for part in path_of(url) if part not in _NO_PARTS]
        if server.endswith(_OLD_SERVER) and not server.startswith(_OLD_SSH_SERVER):
            parts = [server.removesuffix(_OLD_SERVER), *parts]
        if len(parts) == 2:
            # A project's first repository bears its name, and its address may leave one of them out.
            parts = [*parts, parts[1]]
        return self.address(*parts) if len(parts) == 3 else None

    def address(self, owner: str, project: str, name: str) -> RemoteAddress:
        """The address of a repository."""
        origin = f"https://{_SERVER}/{owner}/{project}"
        return RemoteAddress(self, _SERVER, owner, project, name, origin, f"{origin}/_git/{name}")

    def is_running(self, environment: Mapping[str, str]) -> bool:
        """Every agent says so."""
        return environment.get("TF_BUILD", "").lower() == "true"

    def job(self, environment: Mapping[str, str]) -> CIJob:
        """A job of Azure Pipelines."""
        return AzurePipelines(environment)

    def pull_requests(self, folder: Path, remote: RemoteAddress | None) -> PullRequests:
        """By `az repos`."""
        from mlops.githost.azure_devops.pull_requests import AzurePullRequests

        return AzurePullRequests(folder, remote)

    def expectations(self) -> type[Section]:
        """Branch policies, environments and service connections."""
        from mlops.githost.azure_devops.expectations import AzureDevOpsExpectations

        return AzureDevOpsExpectations

    def protection_findings(self, folder: Path, remote: RemoteAddress, expected: Expectations) -> Sequence[Finding]:
        """By `az repos policy` and the checks of environments and service connections."""
        from mlops.githost.azure_devops.expectations import AzureDevOpsExpectations
        from mlops.githost.azure_devops.protection import protection_findings
        from mlops.githost.azure_devops.settings import read_settings

        wanted = expected.section(self.key, AzureDevOpsExpectations)
        return protection_findings(read_settings(folder, remote, wanted), expected.branch, wanted, remote)

    def attestation_problem(self, remote: RemoteAddress, attested: Attested) -> str | None:  # noqa: ARG002
        """It signs nothing."""
        return f"{self.name} holds no attestations"

    def event_payload(self, event: Any) -> Any:
        """A run is given its parameters as they were sent."""
        return event

    def stage_blocks(self) -> Mapping[str, StageBlock]:
        """Those of stage_blocks.py."""
        from mlops.githost.azure_devops.stage_blocks import STAGE_BLOCKS

        return STAGE_BLOCKS

    def owns_workflow(self, path: str) -> bool:
        """Any YAML file: a pipeline's definition says where it is."""
        return path.endswith((".yml", ".yaml"))

    def replay(self) -> Replay | None:
        """By workflow_replay.azure."""
        from mlops.githost.azure_devops.replay import AzureReplay

        return AzureReplay(self.address("octo-org", "octo-project", "octo-repo"))
