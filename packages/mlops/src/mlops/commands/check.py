"""`mlops check`: findings of mlops.checks, one line each; needs no workspace and imports none of its SDK."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option
from mlops.core.results import Block, Line, Result
from mlops.core.source_location import Place

if TYPE_CHECKING:
    from mlops.checks import Problem


@dataclass(frozen=True)
class CheckResult(Result):
    """What is wrong with a project, and what was put right."""

    root: Path
    problems: tuple[Problem, ...]
    fixed: tuple[str, ...]

    @property
    def places(self) -> Sequence[Place]:
        """Every problem at its line."""
        return [Place(self.root / each.file, each.line, f"{each.message}; {each.advice}") for each in self.problems]

    @property
    def exit_code(self) -> int:
        """1 when anything is wrong."""
        return 1 if self.problems else 0

    def document(self) -> dict[str, Any]:
        """Problems and fixes."""
        problems = [asdict(problem) | {"file": str(problem.file)} for problem in self.problems]
        return {"problems": problems, "fixed": list(self.fixed)}

    def blocks(self) -> Sequence[Block]:
        """A line for each."""
        lines = [Line(f"fixed: {sentence}", "good") for sentence in self.fixed]
        for problem in self.problems:
            place = f"{problem.file}:{problem.line}" if problem.line else str(problem.file)
            lines.append(Line(f"{place}: {problem.message} → {problem.advice}"))
        count = len(self.problems)
        if count:
            lines.append(Line("1 problem" if count == 1 else f"{count} problems", "bad"))
        else:
            lines.append(Line("everything fits together", "good"))
        return lines


@mlops_command(
    "check",
    "mlops check",
    "mlops check --fix      # pins of environments/ from uv.lock, stages of CI files from project.yml",
    "mlops check --repository    # how GitHub or Azure DevOps protects the repository; needs `gh` or `az`",
    "mlops check --json",
)
@click.option("--fix", is_flag=True, help="Put right what can be put right by rule, then check.")
@click.option("--repository", is_flag=True, help="Check how the forge protects the repository instead.")
@json_option
@click.pass_obj
def command(project_path: Path | None, *, fix: bool, repository: bool, as_json: bool) -> int:
    """Check components, pipelines and environments without a workspace.

    Finds bindings, names, types and files that do not fit, and components that changed without a new version.
    Prints one line for each problem and exits with 1 when there is any.

    With --repository it asks GitHub or Azure DevOps instead: branch protection, environments, what workflows may
    do, logins. What differs from releases/protection.yml is listed with the way to set it; nothing is changed.
    """
    from mlops.checks import check_project, fix_project
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    root = project.root
    if repository:
        from mlops.protection.check import check_repository

        if fix:
            raise click.UsageError("--fix changes files of the project, --repository reads settings of the forge")
        return answer(check_repository(project), as_json=as_json)
    fixed = tuple(fix_project(root)) if fix else ()
    return answer(CheckResult(root, tuple(check_project(root)), fixed), as_json=as_json)
