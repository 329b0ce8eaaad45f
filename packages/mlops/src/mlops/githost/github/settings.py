"""Expected settings of a repository on GitHub, and the actual ones from `gh api`; nothing is interpreted here."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import yaml
from pydantic import Field

from mlops.core.errors import MachineError
from mlops.core.programs import run_program
from mlops.githost.interface import RemoteAddress
from mlops.githost.protection import Approvals, EnvironmentProtection, Names, Section


class MergeRequirements(Section):
    """What a merge into the branch requires."""

    approvals: Approvals
    checks: Names


class AllowedActions(Section):
    """The actions that workflows may use."""

    allowed: Names


class GitHubExpectations(Section):
    """Expected settings of a repository on GitHub."""

    pull_requests: MergeRequirements
    actions: AllowedActions
    environments: dict[str, EnvironmentProtection]
    environment_variables: Names
    identity: str
    repository_variables: Annotated[tuple[str, ...], Field(strict=False)]


REPOSITORY: Final = ""
ORGANISATION: Final = "orgs"
ENVIRONMENTS: Final = "environments?per_page=100"
ACTIONS: Final = "actions/permissions"
SELECTED: Final = "actions/permissions/selected-actions"
TOKEN: Final = "actions/permissions/workflow"  # noqa: S105 - a route
SUBJECT: Final = "actions/oidc/customization/sub"
OWNERS: Final = "codeowners/errors"
VARIABLES: Final = "actions/variables?per_page=30"
OK: Final = 200
NOT_FOUND: Final = 404
_STATUS: Final = re.compile(r"\(HTTP (\d{3})\)")
_THREADS: Final = 6
_UPGRADE: Final = "Upgrade to"


@dataclass(frozen=True)
class Reply:
    """A reply from GitHub; `message` says why there is no body."""

    status: int
    body: Any
    message: str = ""

    @property
    def is_paid_for(self) -> bool:
        """False if the plan does not include it."""
        return _UPGRADE not in self.message


Replies = Mapping[str, Reply]


def rules_of(branch: str) -> str:
    """The route of a branch's rules, including the organisation's."""
    return f"rules/branches/{quote(branch, safe='')}"


def protection_of(branch: str) -> str:
    """The route of a branch's classic protection."""
    return f"branches/{quote(branch, safe='')}/protection"


def branches_of(environment: str) -> str:
    """The route of the branches that may use an environment."""
    return f"environments/{quote(environment, safe='')}/deployment-branch-policies"


def variables_of(environment: str) -> str:
    """The route of an environment's variables."""
    return f"environments/{quote(environment, safe='')}/variables?per_page=30"


def typed_route(remote: RemoteAddress, path: str) -> str:
    """A route as people type it in a shell."""
    return shlex.quote(f"repos/{remote.owner}/{remote.name}/{path}")


def routes(branch: str, wanted: GitHubExpectations) -> list[str]:
    """Every route to read, except the repository's own."""
    return [
        *(ORGANISATION, ENVIRONMENTS, ACTIONS, SELECTED, TOKEN, SUBJECT, OWNERS, VARIABLES),
        *(rules_of(branch), protection_of(branch)),
        *(branches_of(name) for name in wanted.environments),
        *(variables_of(name) for name in wanted.environments),
    ]


def read_settings(folder: Path, remote: RemoteAddress, branch: str, wanted: GitHubExpectations) -> Replies:
    """Read all settings. Raises MachineError without `gh`, without a login, or if there is no such repository."""
    host = ("--hostname", remote.server)
    prefix = f"repos/{remote.owner}/{remote.name}"

    def read(route: str) -> Reply:
        whole = f"orgs/{remote.owner}" if route == ORGANISATION else f"{prefix}/{route}".rstrip("/")
        return _read(("gh", "api", *host, whole), folder)

    first = read(REPOSITORY)
    if first.status != OK:
        advice = "Log in with `gh auth login` as an administrator of the repository."
        raise MachineError(f"cannot read {remote.origin} on GitHub: {first.message}", advice)
    return {REPOSITORY: first} | _read_all(routes(branch, wanted), read)


def _read_all(routes: list[str], read: Callable[[str], Reply]) -> dict[str, Reply]:
    with ThreadPoolExecutor(_THREADS) as threads:
        return dict(zip(routes, threads.map(read, routes), strict=True))


def _read(command: tuple[str, ...], folder: Path) -> Reply:
    answer = run_program(command, folder, otherwise="check the settings of the repository by hand")
    if answer.code == 0:
        return Reply(OK, json.loads(answer.stdout or "null"))
    status = _STATUS.search(answer.reason)
    if status is None:
        raise MachineError("`gh api` failed", "Log in with `gh auth login`, then run again.", answer.stderr_lines)
    return Reply(int(status[1]), None, answer.reason.removeprefix("gh: "))


def trusted_subjects(folder: Path) -> dict[str, str]:
    """Whose tokens each stack of infra/ trusts, as the beginning of their subject: repo:OWNER[@ID]/NAME[@ID]."""
    found = {}
    for file in sorted((folder / "infra").glob("Pulumi.*.yaml")):
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        github = document.get("config", {}).get("infra:ci", {}).get("github") if isinstance(document, dict) else None
        if github:
            ids = (github.get("organisation_id"), github.get("repository_id"))
            is_plain = github.get("subject") == "names"
            owner, name = (
                given if is_plain else f"{given}@{id_}"
                for given, id_ in zip((github.get("organisation"), github.get("repository")), ids, strict=True)
            )
            found[file.name] = f"repo:{owner}/{name}"
    return found
