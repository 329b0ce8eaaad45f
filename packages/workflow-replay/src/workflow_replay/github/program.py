"""Everything that a workflow will need, looked at before anything runs: called workflows, permissions, effects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workflow_replay.effects import Effects
from workflow_replay.errors import EventError, UnknownStep, WorkflowError
from workflow_replay.git import Repository
from workflow_replay.github.loading import read_workflow
from workflow_replay.github.permissions import excess, granted
from workflow_replay.github.running.called import CALL
from workflow_replay.github.running.played import action_name
from workflow_replay.github.workflow import Job, Workflow

FOLDER: Final = ".github/workflows"
_LOCAL: Final = "./"


def load(repository: Repository, commit: str, file: str) -> Workflow:
    """Read a workflow file at a commit. Raises EventError when it is not there, WorkflowError when it is wrong."""
    text = repository.read(commit, file)
    if text is None:
        raise EventError(f"{file} is not there at {commit[:12]}", "Commit it, or name another file.")
    return read_workflow(text, file)


def called_workflows(repository: Repository, commit: str, workflow: Workflow) -> dict[str, Workflow]:
    """All workflows that this one calls, and those that they call, by their path as it stands in `uses`."""
    found: dict[str, Workflow] = {}
    waiting = [workflow]
    while waiting:
        caller = waiting.pop()
        for job in caller.jobs.values():
            if job.uses is None or job.uses in found:
                continue
            found[job.uses] = _called(repository, commit, caller, job)
            waiting.append(found[job.uses])
    return found


def check(workflow: Workflow, called: Mapping[str, Workflow], ceiling: Mapping[str, str], effects: Effects) -> None:
    """Find what GitHub refuses before it starts anything, and what nobody has said how to replay.

    `ceiling` is what the workflow may be granted at most. Raises WorkflowError and UnknownStep.
    """
    for job in workflow.jobs.values():
        scopes = granted(job.permissions, workflow.permissions, ceiling)
        if job.uses is not None:
            _check_nested(workflow, job, called[job.uses], scopes)
            check(called[job.uses], called, scopes, effects)
        for step in job.steps:
            if step.uses is not None and not step.uses.startswith(_LOCAL):
                effects.named(action_name(step.uses), f"{workflow.file}:{step.line}")


def _called(repository: Repository, commit: str, caller: Workflow, job: Job) -> Workflow:
    uses = job.uses or ""
    if not uses.startswith(_LOCAL):
        raise UnknownStep(
            f"{caller.file}:{job.line}: {uses} is a workflow of another repository",
            "Only workflows of this repository are replayed: uses: ./.github/workflows/….yml",
        )
    text = repository.read(commit, uses.removeprefix(_LOCAL))
    if text is None:
        raise WorkflowError(caller.file, job.line, f"there is no workflow {uses}")
    workflow = read_workflow(text, uses.removeprefix(_LOCAL))
    if CALL not in workflow.triggers:
        raise WorkflowError(caller.file, job.line, f"{uses} cannot be called: it does not listen to {CALL}")
    return workflow


def _check_nested(caller: Workflow, job: Job, called: Workflow, ceiling: Mapping[str, str]) -> None:
    for inner in called.jobs.values():
        wanted = inner.permissions if inner.permissions is not None else called.permissions
        beyond = excess(wanted, ceiling) if wanted is not None else None
        if beyond:
            message = f"jobs.{job.id}: the nested job {inner.id!r} is requesting {beyond}"
            raise WorkflowError(caller.file, job.line, message)
