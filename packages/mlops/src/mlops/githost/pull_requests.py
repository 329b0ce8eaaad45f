"""Where pull requests live: GitHub by `gh`, Azure DevOps by `az repos`, or a plain git remote that has none.

Knows those command lines and no more; what a pull request says is its caller's business.
"""

from __future__ import annotations

import json
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Final

from mlops.core.programs import require
from mlops.core.remote_address import forge_kind, parse_remote

_GITHUB_BODY: Final = 65_536
_AZURE_DESCRIPTION: Final = 4_000
_AZURE_COMMENT: Final = 150_000
_AZURE_API: Final = "7.1"
_FILE_MARK: Final = "@"


@dataclass(frozen=True)
class PullRequest:
    """A pull request as opened or updated: its address, or None where the remote has no such thing."""

    url: str | None
    advice: str


class Forge(ABC):
    """A place that keeps a repository and maybe its pull requests."""

    name: ClassVar[str]
    body_limit: ClassVar[int]
    # How long a comment may be that says more than the body; 0 where the body has room enough.
    comment_limit: ClassVar[int] = 0

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def propose(self, branch: str, base: str, title: str, body: str, comment: str = "") -> PullRequest:
        """Open a pull request for a pushed branch, or update the one that is open.

        `comment` says at length what the body says in brief, where the forge has a limit for one.
        """

    def _run(self, *command: str, given: str = "") -> str:
        return require(command, self.folder, given, "open the pull request of the pushed branch by hand")


class GitHub(Forge):
    """github.com or a GitHub server, by `gh`."""

    name = "GitHub"
    body_limit = _GITHUB_BODY

    def propose(self, branch: str, base: str, title: str, body: str, comment: str = "") -> PullRequest:  # noqa: ARG002
        """Open or update; the body travels by standard input, since it may be long."""
        wanted = ("--head", branch, "--state", "open", "--json", "number,url")
        found = _objects(self._run("gh", "pr", "list", *wanted))
        if found:
            number = str(found[0]["number"])
            self._run("gh", "pr", "edit", number, "--title", title, "--body-file", "-", given=body)
            return PullRequest(str(found[0]["url"]), "Updated: review and merge it.")
        what = ("--head", branch, "--base", base, "--title", title, "--body-file", "-")
        url = self._run("gh", "pr", "create", *what, given=body).strip().splitlines()[-1]
        return PullRequest(url, "Opened: review and merge it.")


class AzureRepos(Forge):
    """Azure DevOps, by `az repos`."""

    name = "Azure DevOps"
    body_limit = _AZURE_DESCRIPTION
    comment_limit = _AZURE_COMMENT

    def propose(self, branch: str, base: str, title: str, body: str, comment: str = "") -> PullRequest:
        """Open or update; the comment becomes a closed thread, which asks nobody for an answer."""
        answer, done = self._proposed(branch, base, title, body)
        if comment:
            self._comment(answer, comment)
        return PullRequest(_azure_url(answer), f"{done}: review and complete it.")

    def _proposed(self, branch: str, base: str, title: str, body: str) -> tuple[dict[str, Any], str]:
        listing = ("--source-branch", branch, "--status", "active", "--output", "json")
        found = _objects(self._run("az", "repos", "pr", "list", *listing))
        if found:
            number = str(found[0]["pullRequestId"])
            what = ("--id", number, *_texts(title, body), "--output", "json")
            return json.loads(self._run("az", "repos", "pr", "update", *what)), "Updated"
        what = (*_texts(title, body), "--output", "json")
        where = ("--source-branch", branch, "--target-branch", base)
        return json.loads(self._run("az", "repos", "pr", "create", *where, *what)), "Opened"

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
            form = ("--in-file", str(file), "--api-version", _AZURE_API, "--output", "json")
            self._run("az", "devops", "invoke", *what, "--route-parameters", *route, *form)


class PlainRemote(Forge):
    """A git remote without pull requests, such as a bare repository."""

    name = "git"
    body_limit = _GITHUB_BODY

    def propose(self, branch: str, base: str, title: str, body: str, comment: str = "") -> PullRequest:  # noqa: ARG002
        """Nothing to open: say what to do with the branch."""
        return PullRequest(None, f"Review the branch, then: git merge --no-ff {branch} into {base}, and push.")


def forge_of(remote_url: str, folder: Path) -> Forge:
    """The forge that an address belongs to, by its host."""
    match forge_kind(remote_url):
        case "github":
            return GitHub(folder)
        case "azure":
            return AzureRepos(folder)
        case None:
            return PlainRemote(folder)


def picture_address(remote_url: str, commit: str, path: PurePosixPath) -> str | None:
    """Where a committed picture is shown to readers of a pull request; None where no such address exists.

    GitHub shows pictures of private repositories only by their address below the repository itself.
    """
    place = parse_remote(remote_url)
    return f"{place.origin}/raw/{commit}/{path}" if place and place.kind == "github" else None


def _objects(text: str) -> Sequence[dict[str, Any]]:
    return json.loads(text or "[]")


def _texts(title: str, body: str) -> tuple[str, str]:
    """Title and description for `az`, which would take a text that begins with @ for the name of a file to read."""
    title, body = (f" {text}" if text.startswith(_FILE_MARK) else text for text in (title, body))
    return f"--title={title}", f"--description={body}"


def _azure_url(answer: dict[str, Any]) -> str:
    repository = answer.get("repository", {}).get("webUrl", "")
    return f"{repository}/pullrequest/{answer['pullRequestId']}"
