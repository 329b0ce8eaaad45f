"""`mlops check --repository`: reads how the git host protects the repository, and says what to set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from mlops.core.errors import InputError, MlopsError
from mlops.core.git import REMOTE
from mlops.core.results import Block, Line, Result, Table
from mlops.githost.hosts import HOSTS, remote_of
from mlops.githost.protection import EXPECTATIONS_FILE, Finding, Outcome
from mlops.githost.protection_file import read_expectations
from mlops.settings.project import Project

_MARKS: Final[dict[Outcome, str]] = {
    "kept": "ok",
    "missing": "MISSING",
    "unreadable": "UNKNOWN",
    "unavailable": "n/a",
}


@dataclass(frozen=True)
class ProtectionResult(Result):
    """Every setting, in the order to work through them."""

    repository: str
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """1 if something has to be set."""
        return MlopsError.exit_code if any(each.fails for each in self.findings) else 0

    def document(self) -> dict[str, Any]:
        """Every finding."""
        return {"repository": self.repository, "findings": [asdict(each) for each in self.findings]}

    def blocks(self) -> Sequence[Block]:
        """One row per setting, then what to do."""
        rows = tuple((_MARKS[each.outcome], each.setting, each.found, each.needed) for each in self.findings)
        to_do = [each for each in self.findings if each.fails]
        blocks: list[Block] = [Table(self.repository, ("", "setting", "current", "required"), rows)]
        blocks += [Line(f"{each.setting}: {each.how}") for each in to_do]
        if not to_do:
            return [*blocks, Line("the repository is protected as required", "good")]
        count = "1 setting does" if len(to_do) == 1 else f"{len(to_do)} settings do"
        return [*blocks, Line(f"{count} not meet {EXPECTATIONS_FILE.as_posix()}", "bad")]


def check_repository(project: Project) -> ProtectionResult:
    """Compare the settings of the project's repository with what is required.

    Raises InputError if the remote is on no known git host, MachineError if the host cannot be reached.
    """
    root = project.root
    expected = read_expectations(root, project.order)
    remote = remote_of(root)
    if remote is None:
        hosts = " nor ".join(host.name for host in HOSTS)
        raise InputError(
            f"the remote '{REMOTE}' is on neither {hosts}: there are no settings to check",
            "Push the project to one of them, or check `git remote --verbose`.",
        )
    findings = remote.host.protection_findings(root, remote, expected)
    return ProtectionResult(f"{remote.origin} ({remote.name})", tuple(findings))
