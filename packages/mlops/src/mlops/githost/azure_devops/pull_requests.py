"""Pull requests in Azure DevOps, by `az repos pr`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any, Final

from mlops.core.programs import output_of
from mlops.githost.interface import PullRequest, PullRequests

_API_VERSION: Final = "7.1"
_FILE_MARK: Final = "@"
_JSON: Final = ("--output", "json")
_OTHERWISE: Final = "open the pull request of the pushed branch by hand"


class AzurePullRequests(PullRequests):
    """Those of a repository in Azure DevOps, whose descriptions are short."""

    body_limit = 4_000
    comment_limit = 150_000

    def propose(self, branch: str, base: str, title: str, body: str, comment: str = "") -> PullRequest:
        """Open or update; the comment becomes a closed thread, which asks nobody for an answer."""
        answer, done = self._proposed(branch, base, title, body)
        if comment:
            self._comment(answer, comment)
        repository = answer.get("repository", {}).get("webUrl", "")
        return PullRequest(f"{repository}/pullrequest/{answer['pullRequestId']}", f"{done}: review and complete it.")

    def picture_url(self, commit: str, path: PurePosixPath) -> str | None:  # noqa: ARG002
        """Azure DevOps shows only pictures that were uploaded."""
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
    """Title and description for `az`, which would take a text that begins with @ for the name of a file to read."""
    title, body = (f" {text}" if text.startswith(_FILE_MARK) else text for text in (title, body))
    return f"--title={title}", f"--description={body}"
