"""What a range of commits changes in the infrastructure, computed by infra/'s own program.

Azure is not contacted; `pulumi preview` compares with what is deployed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter

from mlops.cli.progress import say
from mlops.core.errors import MachineError, ProjectError
from mlops.core.git import Repository
from mlops.core.layout import INFRASTRUCTURE_FOLDER, INFRASTRUCTURE_PROGRAMS, PROJECT_FILE
from mlops.core.results import Block, Line, Result, Table
from mlops.settings.project import Project

# What all stages share; CI deploys it, and one stack per stage. The stack for the repository's protection needs an
# administrator's token, which CI does not have.
SHARED_STACK: Final = "shared"
_TIMEOUT_SECONDS: Final = 600
# What the program reads beside its own folder.
_READ_FILES: Final = frozenset({PurePosixPath(PROJECT_FILE), PurePosixPath("releases/protection.yml")})
_LAST_LINES: Final = 20


class StackChange(BaseModel):
    """How a stack differs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: dict[str, tuple[str, ...]]
    rights_added: tuple[str, ...]
    rights_removed: tuple[str, ...]
    problem: str
    differs: bool

    def row(self, stack: str) -> tuple[str, ...]:
        """The change as a table row."""
        counts = (f"+{len(self.added)}", f"-{len(self.removed)}", f"~{len(self.changed)}")
        rights = f"+{len(self.rights_added)} -{len(self.rights_removed)}"
        return (stack, " ".join(counts), rights)

    def lines(self, stack: str) -> list[tuple[str, ...]]:
        """Each single change."""
        marked = [("added", name, "") for name in self.added]
        marked += [("REMOVED", name, "") for name in self.removed]
        marked += [("changed", name, ", ".join(keys)) for name, keys in self.changed.items()]
        marked += [("role added", name, "") for name in self.rights_added]
        marked += [("role REMOVED", name, "") for name in self.rights_removed]
        return [(stack, *each) for each in marked]


_CHANGES: Final = TypeAdapter(dict[str, StackChange])


@dataclass(frozen=True)
class PreviewResult(Result):
    """The change of every stack; `brought_up` are those that CI deploys."""

    since: str
    stacks: dict[str, StackChange]
    brought_up: tuple[str, ...]

    @property
    def outputs(self) -> dict[str, str]:
        """One flag per stack that CI deploys."""
        return {name: str(name in self.stacks and self.stacks[name].differs).lower() for name in self.brought_up}

    @property
    def exit_code(self) -> int:
        """That of an invalid project file, if a stack's settings are invalid."""
        return ProjectError.exit_code if any(stack.problem for stack in self.stacks.values()) else 0

    def document(self) -> dict[str, Any]:
        """Everything."""
        return {"since": self.since, "stacks": {name: stack.model_dump() for name, stack in self.stacks.items()}}

    def blocks(self) -> Sequence[Block]:
        """A table of the stacks, and one of the single changes."""
        differing = {name: stack for name, stack in self.stacks.items() if stack.differs}
        if not differing:
            return [Line(f"no stack changes since {self.since}", "good")]
        columns = ("stack", "resources", "rights")
        blocks: list[Block] = [
            Table(f"since {self.since}", columns, tuple(stack.row(name) for name, stack in differing.items()))
        ]
        rows = tuple(line for name, stack in differing.items() for line in stack.lines(name))
        blocks += [Table("changes", ("stack", "", "what", "keys"), rows)] if rows else []
        return [*blocks, *(Line(f"{name}: {each.problem}", "bad") for name, each in differing.items() if each.problem)]


def preview(project: Project, since: str) -> PreviewResult:
    """Dry-run both revisions, unless git knows that nothing changed that the program reads.

    Raises MachineError if the revision is unknown, or the program fails at one of them.
    """
    brought_up = (SHARED_STACK, *project.order)
    if not _reads_a_change(Repository(project.root), since):
        return PreviewResult(since, {}, brought_up)
    folder = str(project.path(INFRASTRUCTURE_FOLDER))
    say("installing the packages of infra/, unless they are there …")
    _run(["uv", "sync", "--directory", folder], "uv sync --directory infra")
    say(f"running the program of infra/ as it was at {since}, and as it is …")
    program = ["uv", "run", "--quiet", "--directory", folder, "python", "-m", "inventory.changes", "--since", since]
    done = _run(program, "uv run --directory infra pytest")
    return PreviewResult(since, _CHANGES.validate_json(done), brought_up)


def run_program(project: Project, program: str, arguments: Sequence[str]) -> int:
    """Run a program of infra/ on this terminal, and return its exit code. Raises MachineError without uv."""
    folder = str(project.path(INFRASTRUCTURE_FOLDER))
    module = INFRASTRUCTURE_PROGRAMS[program]
    try:
        command = ["uv", "run", "--quiet", "--directory", folder, "python", "-m", module, *arguments]
        return subprocess.run(command, check=False).returncode
    except OSError as error:
        raise _without_uv(error) from error


def _without_uv(error: OSError) -> MachineError:
    return MachineError(f"uv could not be started: {error}", "Check that uv is installed.")


def _reads_a_change(repository: Repository, since: str) -> bool:
    """Whether a file that the program reads differs from that at a revision, or is new."""
    found = (*repository.changed(since, None), *repository.untracked())
    return any(path in _READ_FILES or INFRASTRUCTURE_FOLDER.name == path.parts[0] for path in found)


def _run(command: list[str], more: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    except OSError as error:
        raise _without_uv(error) from error
    except subprocess.TimeoutExpired as error:
        raise MachineError(
            f"`{' '.join(command[:2])}` in infra/ did not end within {_TIMEOUT_SECONDS} s",
            f"Run `{more}`, which shows where it stays; then run this again.",
        ) from error
    if done.returncode != 0:
        raise MachineError(
            "the infrastructure's program failed",
            f"Fix what it reports; `{more}` shows more.",
            tuple(done.stderr.strip().splitlines()[-_LAST_LINES:]),
        )
    return done.stdout
