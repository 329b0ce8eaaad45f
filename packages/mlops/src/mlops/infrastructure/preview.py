"""What a range of commits changes in the infrastructure: asked of infra/'s own program, told for people and CI.

Nothing of Azure is asked; what is there by now, `pulumi preview` knows.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter

from mlops.core.errors import MachineError, ProjectError
from mlops.core.layout import INFRASTRUCTURE_FOLDER
from mlops.core.results import Block, Line, Result, Table
from mlops.settings.project import Project

# What all stages share; with one stack per stage, what CI brings up. That of the repository's protection takes an
# administrator's token, which CI has not.
SHARED_STACK: Final = "shared"
_TIMEOUT_SECONDS: Final = 300
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
        """The change in a line of a table."""
        counts = (f"+{len(self.added)}", f"-{len(self.removed)}", f"~{len(self.changed)}")
        rights = f"+{len(self.rights_added)} -{len(self.rights_removed)}"
        return (stack, " ".join(counts), rights)

    def lines(self, stack: str) -> list[tuple[str, ...]]:
        """Each single change."""
        marked = [("added", name, "") for name in self.added]
        marked += [("REMOVED", name, "") for name in self.removed]
        marked += [("changed", name, ", ".join(keys)) for name, keys in self.changed.items()]
        marked += [("right added", name, "") for name in self.rights_added]
        marked += [("right REMOVED", name, "") for name in self.rights_removed]
        return [(stack, *each) for each in marked]


_CHANGES: Final = TypeAdapter(dict[str, StackChange])


@dataclass(frozen=True)
class PreviewResult(Result):
    """The change of every stack; `brought_up` are those that CI brings up."""

    since: str
    stacks: dict[str, StackChange]
    brought_up: tuple[str, ...]

    @property
    def outputs(self) -> dict[str, str]:
        """A flag for each stack that CI brings up."""
        return {name: str(name in self.stacks and self.stacks[name].differs).lower() for name in self.brought_up}

    @property
    def exit_code(self) -> int:
        """That of a wrong project file, when a stack's settings are wrong."""
        return ProjectError.exit_code if any(stack.problem for stack in self.stacks.values()) else 0

    def document(self) -> dict[str, Any]:
        """Everything."""
        return {"since": self.since, "stacks": {name: stack.model_dump() for name, stack in self.stacks.items()}}

    def blocks(self) -> Sequence[Block]:
        """A table of the stacks, and one of each single change."""
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
    """Rehearse both revisions. Raises MachineError when one of them cannot be."""
    folder = project.path(INFRASTRUCTURE_FOLDER)
    command = [
        "uv",
        "run",
        "--quiet",
        "--directory",
        str(folder),
        "python",
        "-m",
        "inventory.changes",
        "--since",
        since,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"the infrastructure's program was not started: {error}", "Is uv installed?") from error
    if done.returncode != 0:
        raise MachineError(
            "the infrastructure's program cannot be run",
            "Correct what it says; `uv run --directory infra pytest` tells more.",
            tuple(done.stderr.strip().splitlines()[-_LAST_LINES:]),
        )
    return PreviewResult(since, _CHANGES.validate_json(done.stdout), (SHARED_STACK, *project.order))
