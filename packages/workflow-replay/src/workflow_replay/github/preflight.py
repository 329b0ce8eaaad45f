"""Checks before a run: called workflows exist, and permissions suffice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workflow_replay.common.git import Repository
from workflow_replay.errors import EventError, WorkflowError
from workflow_replay.github.definition.loading import read_workflow
from workflow_replay.github.definition.model import LOCAL, WORKFLOW_CALL, Job, Workflow
from workflow_replay.github.definition.permissions import excess, granted

FOLDER: Final = ".github/workflows"


def load(repository: Repository, commit: str, file: str) -> Workflow:
    """Read a workflow file at a commit. Raises EventError if it does not exist, WorkflowError if it is invalid."""
    text = repository.read(commit, file)
    if text is None:
        raise EventError(f"{file} does not exist at {commit[:12]}", "Commit it, or name another file.")
    return read_workflow(text, file)


def called_workflows(repository: Repository, commit: str, workflow: Workflow) -> dict[str, Workflow]:
    """All workflows of the repository that this one calls, directly or indirectly, by their path in `uses`."""
    found: dict[str, Workflow] = {}
    waiting = [workflow]
    while waiting:
        caller = waiting.pop()
        for job in caller.jobs.values():
            if job.uses is None or job.uses in found or not job.uses.startswith(LOCAL):
                continue
            found[job.uses] = _called(repository, commit, caller, job)
            waiting.append(found[job.uses])
    return found


def check(workflow: Workflow, called: Mapping[str, Workflow], ceiling: Mapping[str, str]) -> None:
    """Check permissions before anything runs; `ceiling` is the most that the workflow may be granted.

    Raises WorkflowError.
    """
    for job in workflow.jobs.values():
        scopes = granted(job.permissions, workflow.permissions, ceiling)
        inner = called.get(job.uses or "")
        if inner is not None:
            _check_nested(workflow, job, inner, scopes)
            check(inner, called, scopes)


def _called(repository: Repository, commit: str, caller: Workflow, job: Job) -> Workflow:
    uses = job.uses or ""
    text = repository.read(commit, uses.removeprefix(LOCAL))
    if text is None:
        raise WorkflowError(caller.file, job.line, f"the workflow {uses} does not exist")
    workflow = read_workflow(text, uses.removeprefix(LOCAL))
    if WORKFLOW_CALL not in workflow.triggers:
        raise WorkflowError(caller.file, job.line, f"{uses} cannot be called: it is not triggered by {WORKFLOW_CALL}")
    return workflow


def _check_nested(caller: Workflow, job: Job, called: Workflow, ceiling: Mapping[str, str]) -> None:
    for inner in called.jobs.values():
        requested = inner.permissions if inner.permissions is not None else called.permissions
        beyond = excess(requested, ceiling) if requested is not None else None
        if beyond:
            message = f"jobs.{job.id}: the nested job {inner.id!r} is requesting {beyond}"
            raise WorkflowError(caller.file, job.line, message)
