"""Azure DevOps Services, through `az`: addresses and pull requests; the rest is in its modules."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from mlops.core.programs import output_of
from mlops.githost.azure_devops.job import AzurePipelines
from mlops.githost.interface import (
    Attested,
    CIJob,
    GitHost,
    PullRequest,
    PullRequests,
    RemoteAddress,
    Replay,
    path_of,
    server_of,
)

if TYPE_CHECKING:
    from mlops.githost.protection import Expectations, Finding, Section
    from mlops.githost.stage_blocks import StageBlock

_SERVER: Final = "dev.azure.com"
_OLD_SERVER: Final = ".visualstudio.com"
_OLD_SSH_SERVER: Final = "vs-ssh."
_API_VERSION: Final = "7.1"
_FILE_MARK: Final = "@"
_JSON: Final = ("--output", "json")
_OTHERWISE: Final = "open the pull request of the pushed branch by hand"
_NO_PARTS: Final = frozenset({"v3", "_git", "DefaultCollection"})


class AzureDevOps(GitHost):
    """Azure DevOps Services, through `az`."""

    key = "azure_devops"
    name = "Azure DevOps"
    training_command = "az pipelines run --name train --parameters fresh=true"
    ci_files = (".azuredevops/**/*.yml", "azure-pipelines.yml")

    def owns_server(self, server: str) -> bool:
        """dev.azure.com, and the older ORGANISATION.visualstudio.com."""
        return server == _SERVER or server.endswith((_OLD_SERVER, f".{_SERVER}"))

    def parse(self, url: str) -> RemoteAddress | None:
        """ORGANISATION/PROJECT/NAME, over https or ssh."""
        server = server_of(url)
        parts = [part for part in path_of(url) if part not in _NO_PARTS]
        if server.endswith(_OLD_SERVER) and not server.startswith(_OLD_SSH_SERVER):
            parts = [server.removesuffix(_OLD_SERVER), *parts]
        if len(parts) == 2:
            # A project's first repository has the project's name, and its address may omit one of the two.
            parts = [*parts, parts[1]]
        return self.address(*parts) if len(parts) == 3 else None

    def address(self, owner: str, project: str, name: str) -> RemoteAddress:
        """The address of a repository."""
        origin = f"https://{_SERVER}/{owner}/{project}"
        return RemoteAddress(self, _SERVER, owner, project, name, origin, f"{origin}/_git/{name}")

    def commit_url(self, remote: RemoteAddress, commit: str) -> str:
        """Below the repository's page; names may have spaces."""
        return f"{quote(remote.url, safe=':/')}/commit/{commit}"

    def is_running(self, environment: Mapping[str, str]) -> bool:
        """Every agent sets this variable."""
        return environment.get("TF_BUILD", "").lower() == "true"

    def job(self, environment: Mapping[str, str]) -> CIJob:
        """A job of Azure Pipelines."""
        return AzurePipelines(environment)

    def pull_requests(self, folder: Path, remote: RemoteAddress | None) -> PullRequests:
        """Pull requests through `az repos`."""
        return AzurePullRequests(folder, remote)

    def expectations(self) -> type[Section]:
        """Branch policies, environments and service connections."""
        from mlops.githost.azure_devops.settings import AzureDevOpsExpectations

        return AzureDevOpsExpectations

    def protection_findings(self, folder: Path, remote: RemoteAddress, expected: Expectations) -> Sequence[Finding]:
        """Compares `az repos policy` and the checks of environments and service connections."""
        from mlops.githost.azure_devops.protection import protection_findings
        from mlops.githost.azure_devops.settings import AzureDevOpsExpectations, read_settings

        wanted = expected.section(self.key, AzureDevOpsExpectations)
        return protection_findings(read_settings(folder, remote, wanted), expected.branch, wanted, remote)

    def attestation_problem(self, remote: RemoteAddress, attested: Attested) -> str | None:  # noqa: ARG002
        """Azure DevOps signs nothing."""
        return f"{self.name} holds no attestations"

    def event_payload(self, event: Any) -> Any:
        """A run gets its parameters as they were sent."""
        return event

    def stage_blocks(self) -> Mapping[str, StageBlock]:
        """The blocks in workflows.py."""
        from mlops.githost.azure_devops.workflows import STAGE_BLOCKS

        return STAGE_BLOCKS

    def model_workflows(self, root: Path, model: PurePosixPath) -> Mapping[PurePosixPath, str]:
        """Pipelines with the model's name in front of theirs."""
        from mlops.githost.azure_devops.workflows import model_pipelines

        return model_pipelines(root, model)

    def owns_workflow(self, path: str) -> bool:
        """Any YAML file: a pipeline's definition holds its path."""
        return path.endswith((".yml", ".yaml"))

    def replay(self) -> Replay | None:
        """A replay by workflow_replay.azure."""
        from mlops.githost.azure_devops.workflows import AzureReplay

        return AzureReplay(self.address("octo-org", "octo-project", "octo-repo"))


class AzurePullRequests(PullRequests):
    """Pull requests in Azure DevOps, whose descriptions are short."""

    body_limit = 4_000
    comment_limit = 150_000

    def propose(self, branch: str, base: str, title: str, body: str, comment: str = "") -> PullRequest:
        """Open or update; the comment becomes a closed thread, which needs no answer."""
        answer, done = self._proposed(branch, base, title, body)
        if comment:
            self._comment(answer, comment)
        repository = answer.get("repository", {}).get("webUrl", "")
        return PullRequest(f"{repository}/pullrequest/{answer['pullRequestId']}", f"{done}: review and complete it.")

    def picture_url(self, commit: str, path: PurePosixPath) -> str | None:  # noqa: ARG002
        """Azure DevOps shows only uploaded pictures."""
        return None

    def _proposed(self, branch: str, base: str, title: str, body: str) -> tuple[dict[str, Any], str]:
        listing = ("--source-branch", branch, "--status", "active")
        found = json.loads(self._az("repos", "pr", "list", *listing) or "[]")
        if found:
            what = ("--id", str(found[0]["pullRequestId"]), *_texts(title, body))
            return json.loads(self._az("repos", "pr", "update", *what)), "Updated"
        where = ("--source-branch", branch, "--target-branch", base)
        return json.loads(self._az("repos", "pr", "create", *where, *_texts(title, body))), "Opened"

    def _comment(self, answer: dict[str, Any], text: str) -> None:
        repository = answer["repository"]
        route = (
            f"project={repository['project']['id']}",
            f"repositoryId={repository['id']}",
            f"pullRequestId={answer['pullRequestId']}",
        )
        thread = {"comments": [{"parentCommentId": 0, "content": text, "commentType": "text"}], "status": "closed"}
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "thread.json"
            file.write_text(json.dumps(thread), encoding="utf-8")
            what = ("--area", "git", "--resource", "pullRequestThreads", "--http-method", "POST")
            form = ("--in-file", str(file), "--api-version", _API_VERSION)
            self._az("devops", "invoke", *what, "--route-parameters", *route, *form)

    def _az(self, *words: str) -> str:
        return output_of(("az", *words, *_JSON), self._folder, otherwise=_OTHERWISE)


def _texts(title: str, body: str) -> tuple[str, str]:
    """Title and description for `az`, which would read a text that begins with @ as a file name."""
    title, body = (f" {text}" if text.startswith(_FILE_MARK) else text for text in (title, body))
    return f"--title={title}", f"--description={body}"
