"""The dependencies of stages and jobs, validated as the service does, with its error messages. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from workflow_replay.azure.pipeline.model import Job, Stage
from workflow_replay.azure.templates.tree import SourceLocation


def stage_dependencies(stages: Sequence[Stage]) -> dict[str, tuple[str, ...]]:
    """Return the dependencies of each stage: by default the previous stage. Raises WorkflowError."""
    dependencies: dict[str, tuple[str, ...]] = {}
    for index, stage in enumerate(stages):
        before = (stages[index - 1].name,) if index else ()
        dependencies[stage.name] = before if stage.depends_on is None else stage.depends_on
    locations = {stage.name: stage.location for stage in stages}
    _check(
        dependencies, locations, "The pipeline must contain at least one stage with no dependencies.", "Stage", "stage"
    )
    return _with_declared_case(dependencies)


def job_dependencies(stage: Stage) -> dict[str, tuple[str, ...]]:
    """Return the dependencies of each job of a stage: by default none. Raises WorkflowError."""
    dependencies = {job.name: job.depends_on for job in stage.jobs}
    locations = {job.name: job.location for job in stage.jobs}
    no_root_message = f"Stage {stage.name} must contain at least one job with no dependencies."
    _check(dependencies, locations, no_root_message, f"Stage {stage.name} job", "job")
    return _with_declared_case(dependencies)


def ancestors(name: str, dependencies: Mapping[str, Iterable[str]]) -> set[str]:
    """Return all direct and indirect dependencies of a stage or job."""
    found: set[str] = set()
    open_names = list(dependencies[name])
    while open_names:
        one = open_names.pop()
        if one not in found:
            found.add(one)
            open_names += dependencies[one]
    return found


def job_named(stage: Stage, name: str) -> Job:
    """Return a job of a stage by its name."""
    return next(job for job in stage.jobs if job.name == name)


def _check(
    dependencies: Mapping[str, tuple[str, ...]],
    locations: Mapping[str, SourceLocation],
    no_root_message: str,
    subject: str,
    noun: str,
) -> None:
    if all(dependencies.values()):
        raise next(iter(locations.values())).error(no_root_message)
    known = {name.casefold(): name for name in dependencies}
    edges = {name: [known[target.casefold()] for target in targets if target.casefold() in known]
             for name, targets in dependencies.items()}  # fmt: skip
    for name, targets in edges.items():
        for target in targets:
            if name == target or name in ancestors(target, edges):
                raise locations[name].error(
                    f"{subject} {name} depends on {noun} {target} which creates a cycle in the dependency graph."
                )
    for name, targets in dependencies.items():
        for target in targets:
            if target.casefold() not in known:
                raise locations[name].error(f"{subject} {name} depends on unknown {noun} {target}.")


def _with_declared_case(dependencies: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    known = {name.casefold(): name for name in dependencies}
    return {name: tuple(known[target.casefold()] for target in targets) for name, targets in dependencies.items()}
