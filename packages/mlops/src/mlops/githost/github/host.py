"""GitHub (github.com or a server), through `gh`: addresses, pull requests, attestations; the rest is in its modules."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from mlops.core.programs import output_of, run_program
from mlops.githost.github.job import GitHubActions
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

_SERVER: Final = "github.com"
_CHECKSUM_FILE: Final = "SHA256SUMS"
_OTHERWISE: Final = "open the pull request of the pushed branch by hand"


class GitHub(GitHost):
    """GitHub, through `gh`."""

    key = "github"
    name = "GitHub"
    training_command = "gh workflow run train.yml -f fresh=true"
    ci_files = (".github/**/*.yml",)
    owners_file = ".github/CODEOWNERS"

    def owns_server(self, server: str) -> bool:
        """github.com, a server whose name begins with github, or a GitHub server with data residency."""
        return server == _SERVER or server.startswith("github.") or server.endswith(".ghe.com")

    def parse(self, url: str) -> RemoteAddress | None:
        """OWNER/NAME, over https or ssh."""
        parts, server = path_of(url), server_of(url)
        return self.address(server, *parts) if len(parts) == 2 else None

    def address(self, server: str, owner: str, name: str) -> RemoteAddress:
        """The address of a repository."""
        url = f"https://{server}/{owner}/{name}"
        return RemoteAddress(self, server, owner, "", name, url, url)

    def commit_url(self, remote: RemoteAddress, commit: str) -> str:
        """Below the repository's page."""
        return f"{remote.url}/commit/{commit}"

    def is_running(self, environment: Mapping[str, str]) -> bool:
        """Every runner sets this variable."""
        return environment.get("GITHUB_ACTIONS", "").lower() == "true"

    def job(self, environment: Mapping[str, str]) -> CIJob:
        """A job of GitHub Actions."""
        return GitHubActions(environment)

    def pull_requests(self, folder: Path, remote: RemoteAddress | None) -> PullRequests:
        """Pull requests through `gh pr`."""
        return GitHubPullRequests(folder, remote)

    def expectations(self) -> type[Section]:
        """Branch rules, environments, and what Actions may do."""
        from mlops.githost.github.settings import GitHubExpectations

        return GitHubExpectations

    def protection_findings(self, folder: Path, remote: RemoteAddress, expected: Expectations) -> Sequence[Finding]:
        """Compares what `gh api` replies."""
        from mlops.githost.github.actions import trust_findings
        from mlops.githost.github.protection import protection_findings
        from mlops.githost.github.settings import GitHubExpectations, read_settings, trusted_subjects

        branch, wanted = expected.branch, expected.section(self.key, GitHubExpectations)
        replies = read_settings(folder, remote, branch, wanted)
        return [
            *protection_findings(replies, branch, wanted, remote),
            *trust_findings(replies, trusted_subjects(folder)),
        ]

    def attestation_problem(self, remote: RemoteAddress, attested: Attested) -> str | None:
        """Run `gh attestation verify`: the package's digest is what is signed, so the model's bytes are not needed."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / _CHECKSUM_FILE
            file.write_bytes(attested.checksums)
            asked = ("--repo", f"{remote.owner}/{remote.name}", *_signer(remote, attested.builder))
            form = ("--predicate-type", attested.predicate_type, "--format", "json")
            command = ("gh", "attestation", "verify", str(file), *asked, *form)
            answer = run_program(command, Path(folder), otherwise="require no attestation in releases/provenance.yml")
        if answer.code != 0:
            return f"no valid attestation: {answer.reason}"
        signed = [
            each.get("verificationResult", {}).get("statement", {}).get("predicate")
            for each in json.loads(answer.stdout)
        ]
        return None if attested.predicate in signed else "the attestation and the statement differ"

    def event_payload(self, event: Any) -> Any:
        """A repository_dispatch carries what was sent as `client_payload`."""
        return event["client_payload"] if isinstance(event, dict) and "client_payload" in event else event

    def stage_blocks(self) -> Mapping[str, StageBlock]:
        """The blocks in workflows.py."""
        from mlops.githost.github.workflows import STAGE_BLOCKS

        return STAGE_BLOCKS

    def model_workflows(self, root: Path, model: PurePosixPath) -> Mapping[PurePosixPath, str]:
        """Workflows with the model's name in front of theirs."""
        from mlops.githost.github.workflows import model_workflows

        return model_workflows(root, model)

    def owns_workflow(self, path: str) -> bool:
        """Workflows and actions."""
        return path.startswith(".github/")

    def replay(self) -> Replay | None:
        """A replay by workflow_replay.github."""
        from mlops.githost.github.workflows import GitHubReplay

        return GitHubReplay(self.address(_SERVER, "octo-org", "octo-repo"))


class GitHubPullRequests(PullRequests):
    """Pull requests on github.com or a GitHub server."""

    body_limit = 65_536

    def propose(self, branch: str, base: str, title: str, body: str, comment: str = "") -> PullRequest:  # noqa: ARG002
        """Open or update; the body goes through standard input, since it may be long."""
        wanted = ("--head", branch, "--state", "open", "--json", "number,url")
        found = json.loads(self._gh("list", *wanted) or "[]")
        if found:
            number = str(found[0]["number"])
            self._gh("edit", number, "--title", title, "--body-file", "-", given=body)
            return PullRequest(str(found[0]["url"]), "Updated: review and merge it.")
        what = ("--head", branch, "--base", base, "--title", title, "--body-file", "-")
        url = self._gh("create", *what, given=body).strip().splitlines()[-1]
        return PullRequest(url, "Opened: review and merge it.")

    def picture_url(self, commit: str, path: PurePosixPath) -> str | None:
        """An address below the repository: the only one at which GitHub shows pictures of private repositories."""
        return f"{self._remote.url}/raw/{commit}/{path}" if self._remote else None

    def _gh(self, *words: str, given: str = "") -> str:
        return output_of(("gh", "pr", *words), self._folder, given, _OTHERWISE)


def _signer(remote: RemoteAddress, builder: str) -> list[str]:
    """The workflow and its branch as options of `gh`; none for another builder, which the statement names."""
    workflow, _, branch = builder.partition("@")
    if not workflow.startswith(f"{remote.origin}/.github/"):
        return []
    return ["--signer-workflow", workflow.removeprefix(f"https://{remote.server}/"), "--source-ref", branch]
