"""`mlops check --repository` as a function: asks the forge of the project's remote, and says what to set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from mlops.core.errors import InputError, MlopsError
from mlops.core.git import REMOTE, Repository
from mlops.core.remote_address import RemoteAddress, parse_remote
from mlops.core.results import Block, Line, Result, Table
from mlops.protection import (
    azure_branch,
    azure_places,
    azure_settings,
    github_actions,
    github_branch,
    github_places,
    github_settings,
)
from mlops.protection.finding import Finding, Outcome
from mlops.settings.project import Project
from mlops.settings.protection import EXPECTATIONS_FILE, Expectations, read_expectations

_MARKS: Final[dict[Outcome, str]] = {
    "kept": "ok",
    "missing": "MISSING",
    "unreadable": "UNKNOWN",
    "unavailable": "not here",
}


@dataclass(frozen=True)
class ProtectionResult(Result):
    """Every setting, in the order in which people would go through them."""

    repository: str
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """1 when something is to be done."""
        return MlopsError.exit_code if any(each.fails for each in self.findings) else 0

    def document(self) -> dict[str, Any]:
        """Every finding."""
        return {"repository": self.repository, "findings": [asdict(each) for each in self.findings]}

    def blocks(self) -> Sequence[Block]:
        """A row for each setting, then what to do."""
        rows = tuple((_MARKS[each.outcome], each.setting, each.found, each.needed) for each in self.findings)
        to_do = [each for each in self.findings if each.fails]
        blocks: list[Block] = [Table(self.repository, ("", "setting", "is", "needed"), rows)]
        blocks += [Line(f"{each.setting}: {each.how}") for each in to_do]
        if not to_do:
            return [*blocks, Line("the repository is protected as the promotions need it", "good")]
        count = "1 setting is" if len(to_do) == 1 else f"{len(to_do)} settings are"
        return [*blocks, Line(f"{count} not as {EXPECTATIONS_FILE.as_posix()} needs", "bad")]


def check_repository(project: Project) -> ProtectionResult:
    """Compare the settings of the project's repository with what is needed.

    Raises InputError when the remote is on no forge, MachineError when it cannot be asked.
    """
    root = project.root
    expected = read_expectations(root, project.order)
    url = Repository(root).remote_url(REMOTE)
    remote = parse_remote(url) if url else None
    if remote is None:
        raise InputError(
            f"the remote '{REMOTE}' is on neither GitHub nor Azure DevOps: there are no settings to look at",
            "Push the project there, or look at `git remote --verbose`.",
        )
    if remote.kind == "github":
        findings = github_findings(github_settings.read_settings(root, remote, expected), expected, remote)
    else:
        findings = azure_findings(azure_settings.read_settings(root, remote, expected), expected, remote)
    return ProtectionResult(f"{remote.origin} ({remote.name})", tuple(findings))


def github_findings(replies: github_settings.Replies, expected: Expectations, remote: RemoteAddress) -> list[Finding]:
    """Everything about a repository on GitHub. Pure."""
    return [
        *github_branch.branch_findings(replies, expected, remote),
        *github_actions.actions_findings(replies, expected, remote),
        *github_places.environment_findings(replies, expected, remote),
    ]


def azure_findings(
    settings: azure_settings.AzureSettings, expected: Expectations, remote: RemoteAddress
) -> list[Finding]:
    """Everything about a repository in Azure DevOps. Pure."""
    return [
        *azure_branch.policy_findings(settings, expected, remote),
        *azure_places.environment_findings(settings, expected, remote),
        *azure_places.connection_findings(settings, expected, remote),
    ]
