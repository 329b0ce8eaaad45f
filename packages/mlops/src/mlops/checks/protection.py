"""How the repository is protected: `mlops check --repository` reads the git host's settings, `mlops check` the files
that say who must review what.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from pydantic import create_model

from mlops.checks.yaml.document import Problem
from mlops.core.documents import YamlFile, read_checked, read_text
from mlops.core.errors import InputError, MlopsError, ProjectError
from mlops.core.git import REMOTE
from mlops.core.layout import CODE_THAT_JUDGES, EXTENSION_FOLDER, INFRASTRUCTURE_FOLDER, MAKES_A_MODEL, MODELS_FOLDER
from mlops.core.results import Block, Line, Result, Table
from mlops.githost.hosts import HOSTS, WORKFLOW_PLACES, remote_of
from mlops.githost.protection import EXPECTATIONS_FILE, Expectations, Finding, Outcome, unowned
from mlops.settings.project import Project
from mlops.settings.stages import StageOrder
from mlops.stages.edits import INFRASTRUCTURE_PREFIX, stage_lists

_PERMISSIONS: Final = (INFRASTRUCTURE_FOLDER.as_posix(),)
_CANNOT: Final = "who may change it without {} can change a model, or a rule that judges one"
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


def check_owners(project: Project) -> Iterator[Problem]:
    """What can change a model or a rule, and nobody must review; for each git host that has a file of owners here."""
    prefix, top = PurePosixPath(), project.root
    if project.root.parent.name == MODELS_FOLDER.name:
        top = project.root.parents[1]
        prefix = PurePosixPath(project.root.relative_to(top).as_posix())
    places = [prefix / each for each in MAKES_A_MODEL if _may_exist(project.root, each)]
    places += [
        PurePosixPath(each) for each in (*WORKFLOW_PLACES, *CODE_THAT_JUDGES, *_PERMISSIONS) if (top / each).exists()
    ]
    for host in HOSTS:
        file = top / host.owners_file
        if not host.owners_file or not file.is_file():
            continue
        for place in unowned(_owned_patterns(read_text(file)), places):
            advice = f"add a line for /{place} with its owners, or a line * with those of everything else"
            yield Problem(host.owners_file, 1, f"/{place} has no owner: {_CANNOT.format('a review')}", advice)
    yield from _unreviewed(project, top, places)


def _owned_patterns(text: str) -> list[tuple[str, bool]]:
    """The patterns of a CODEOWNERS, and whether they have owners; /x/* says nothing of the folders in x."""
    lines = [line.partition("#")[0].split() for line in text.splitlines()]
    whole = [words for words in lines if words and not (words[0].endswith("/*") and words[1:])]
    return [(words[0], bool(words[1:])) for words in whole]


def _unreviewed(project: Project, top: Path, places: Sequence[PurePosixPath]) -> Iterator[Problem]:
    if not (project.root / EXPECTATIONS_FILE).is_file():
        return
    try:
        sections = read_expectations(project.root, project.order).sections
    except ProjectError:
        # Named by the check of all files in releases/.
        return
    used = {host.key for host in HOSTS if any(any(top.glob(pattern)) for pattern in host.ci_files)}
    for key, section in sections.items():
        paths = section.reviewed()
        for place in unowned([(path, True) for path in paths], places) if paths and key in used else ():
            message = f"{key}: reviewed_paths lacks /{place}: {_CANNOT.format('required reviewers')}"
            yield Problem(EXPECTATIONS_FILE.as_posix(), 1, message, f"add /{place} (a folder with /* behind it)")


def _may_exist(root: Path, place: str) -> bool:
    return place == EXTENSION_FOLDER.as_posix() or (root / place).exists()


class _ProtectionFile(YamlFile):
    branch: str


def read_expectations(root: Path, order: StageOrder) -> Expectations:
    """Read the expectations of a project. Raises ProjectError, also for a list that lacks a stage."""
    # A project needs only the section of its own git host.
    sections: dict[str, Any] = {host.key: (host.expectations() | None, None) for host in HOSTS}
    kind = create_model("ProtectionFile", __base__=_ProtectionFile, **sections)
    checked = read_checked(root / EXPECTATIONS_FILE, kind)
    found = {host.key: section for host in HOSTS if (section := getattr(checked.value, host.key)) is not None}
    names = [name for stage in order for name in (stage, f"{INFRASTRUCTURE_PREFIX}{stage}")]
    checked.refuse(
        [
            ((key, name), f"lacks {each}, of a stage in project.yml; add `{each}:` (`mlops stages add` does)")
            for key, name in stage_lists()
            if key in found
            for each in names
            if each not in getattr(found[key], name)
        ]
    )
    return Expectations(checked.value.branch, found)
