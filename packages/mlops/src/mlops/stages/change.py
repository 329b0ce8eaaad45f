"""Lists the stages, and adds or removes one: in every file that names stages, in the checkout, for people to review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlops.core.edits import Edit, diff, require_committed, write
from mlops.core.errors import InputError
from mlops.core.layout import PROJECT_FILE
from mlops.core.results import Block, Line, Raw, Result, Table
from mlops.settings.project import Project, parse_settings
from mlops.settings.stages import MOST_STAGES, RESERVED_NAMES, StageName, StageOrder, name_problem
from mlops.stages.edits import additions, removals


@dataclass(frozen=True)
class StagesChange(Result):
    """The edits for a change of the stages, and whether they were written; empty if everything is done already."""

    before: StageOrder
    after: StageOrder
    edits: tuple[Edit, ...]
    is_written: bool
    next_steps: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The stages, the files and the diff."""
        return {
            "stages": list(self.after),
            "before": list(self.before),
            "written": self.is_written,
            "files": [str(edit.path) for edit in self.edits],
            "diff": self._diff,
        }

    def blocks(self) -> Sequence[Block]:
        """The diff if nothing was written, else the files; and the next steps."""
        if not self.edits:
            return [Line(f"nothing to do: the stages are {self.after}", "good")]
        if not self.is_written:
            return [Raw(self._diff), Line(f"{len(self.edits)} files would change; nothing was written", "hint")]
        rows = tuple((_word(edit), str(edit.path)) for edit in self.edits)
        return [
            Table(f"the stages are {self.after}", (), rows),
            *(Line(f"{number}. {step}") for number, step in enumerate(self.next_steps, start=1)),
        ]

    @property
    def _diff(self) -> str:
        return "".join(map(diff, self.edits))


@dataclass(frozen=True)
class StageList(Result):
    """The stages of a project, in the order in which models move through them."""

    project: Project

    def document(self) -> dict[str, Any]:
        """The names and, for each stage, where its models come from."""
        order = self.project.order
        sources = {stage: None if stage == order.training else order.source_of(stage) for stage in order}
        return {"stages": [{"name": stage, "source": source} for stage, source in sources.items()]}

    def blocks(self) -> Sequence[Block]:
        """One row per stage."""
        order = self.project.order
        rows = []
        for number, stage in enumerate(order, start=1):
            takes = "trains them" if stage == order.training else f"from {order.source_of(stage)}"
            role = "production" if stage == order.production else ""
            rows.append((str(number), stage, takes, self.project.settings.stage(stage).main_endpoint, role))
        return [Table("", ("", "stage", "models", "endpoint", ""), tuple(rows))]


def add_stage(project: Project, name: str, after: str, *, is_dry_run: bool = False) -> StagesChange:
    """Add a stage after another one, whose settings it copies. Safe to run again.

    Raises InputError for an invalid name, or for files with uncommitted changes.
    """
    order = project.order
    before = order.find(after)
    if name not in order.names:
        _require_room(order, name)
    elif order.next_after(before) != name:
        raise InputError(
            f"the stage {name} already exists: the stages are {order}",
            "To change their order, edit the list in project.yml and run `mlops check --fix`.",
        )
    edits = additions(project.root, name, before)
    return _changed(project, edits, _steps_of_adding(before, name), is_dry_run=is_dry_run)


def remove_stage(project: Project, name: str, *, is_dry_run: bool = False) -> StagesChange:
    """Remove a stage from every file. Safe to run again. Raises InputError as `add_stage` does."""
    if name == project.order.training:
        raise InputError(
            f"{name} is where models are trained: it cannot be removed",
            "Move training by hand: all jobs, data and held-out rows are in its workspace.",
        )
    if name not in project.order.names:
        # Run again, it removes what an interrupted run has left; files of no stage are never touched.
        _require_possible(name)
    return _changed(project, removals(project.root, name), _steps_of_removing(name), is_dry_run=is_dry_run)


def _require_possible(name: str) -> None:
    problem = name_problem(name)
    if problem:
        raise InputError(problem, f"Reserved are {', '.join(sorted(RESERVED_NAMES))}.")


def _require_room(order: StageOrder, name: str) -> None:
    _require_possible(name)
    if len(order) == MOST_STAGES:
        raise InputError(f"a project has at most {MOST_STAGES} stages, and already has {order}", "Remove one first.")


def _changed(project: Project, edits: list[Edit], steps: tuple[str, ...], *, is_dry_run: bool) -> StagesChange:
    after = _order_after(edits, project.order)
    if not is_dry_run:
        require_committed(project.root, edits)
        for edit in edits:
            write(project.root, edit)
    return StagesChange(project.order, after, tuple(edits), not is_dry_run, steps)


def _order_after(edits: list[Edit], order: StageOrder) -> StageOrder:
    """The stages in project.yml after the edits, whose first one it is if it changes."""
    changed = next((edit.after for edit in edits if str(edit.path) == PROJECT_FILE), None)
    return parse_settings(changed).order if changed else order


def _steps_of_adding(before: StageName, name: StageName) -> tuple[str, ...]:
    return (
        f"Review the diff (`git diff`, and the new files): bounds, rollout and machines are copied from {before}.",
        f"Create its infrastructure, and name it in infra/Pulumi.ci.yaml (docs/infrastructure.md); then "
        f"`mlops configure --stage {name}`.",
        f"On the git host, create the environments {name} and infra-{name}; `mlops check --repository` "
        "shows what is missing.",
        "Commit, and open a separate pull request: a release in the same one would be refused.",
        f"After the merge: `mlops promote --to {name}`.",
    )


def _steps_of_removing(name: StageName) -> tuple[str, ...]:
    return (
        f"Deployments in {name} keep running: run `pulumi destroy --stack {name}` with the last commit's stack file, "
        f"and delete the environments {name} and infra-{name} on the git host.",
        "`mlops check` shows what is left to decide, such as a rule that had bounds for this stage only.",
        "Commit, and open a separate pull request: a release in the same one would be refused.",
    )


def _word(edit: Edit) -> str:
    if edit.before is None:
        return "new"
    return "deleted" if edit.after is None else "changed"
