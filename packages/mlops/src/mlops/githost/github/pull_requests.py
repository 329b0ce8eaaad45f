"""Pull requests on GitHub, by `gh pr`."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Final

from mlops.core.programs import output_of
from mlops.githost.interface import PullRequest, PullRequests

_OTHERWISE: Final = "open the pull request of the pushed branch by hand"


class GitHubPullRequests(PullRequests):
    """Those of a repository on github.com or a GitHub server."""

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
        """Below the repository itself: GitHub shows pictures of private repositories by no other address."""
        return f"{self._remote.url}/raw/{commit}/{path}" if self._remote else None

    def _gh(self, *words: str, given: str = "") -> str:
        return output_of(("gh", "pr", *words), self._folder, given, _OTHERWISE)
