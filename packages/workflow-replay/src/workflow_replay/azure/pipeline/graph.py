"""What stages and jobs wait for, and whether that can be kept: the service's checks in the service's words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from workflow_replay.azure.pipeline.model import Job, Stage
from workflow_replay.azure.templates.tree import Place


def stage_dependencies(stages: Sequence[Stage]) -> dict[str, tuple[str, ...]]:
    """Return which stages each stage waits for: the one before it, when it does not say. Raises WorkflowError."""
    waits: dict[str, tuple[str, ...]] = {}
    for index, stage in enumerate(stages):
        before = (stages[index - 1].name,) if index else ()
        waits[stage.name] = before if stage.depends_on is None else stage.depends_on
    places = {stage.name: stage.place for stage in stages}
    _check(waits, places, "The pipeline must contain at least one stage with no dependencies.", "Stage", "stage")
    return _spelled(waits)


def job_dependencies(stage: Stage) -> dict[str, tuple[str, ...]]:
    """Return which jobs each job of a stage waits for: none, when it does not say. Raises WorkflowError."""
    waits = {job.name: job.depends_on for job in stage.jobs}
    places = {job.name: job.place for job in stage.jobs}
    rootless = f"Stage {stage.name} must contain at least one job with no dependencies."
    _check(waits, places, rootless, f"Stage {stage.name} job", "job")
    return _spelled(waits)


def ancestors(name: str, waits: Mapping[str, Iterable[str]]) -> set[str]:
    """Return all that a stage or job waits for, directly or through others."""
    found: set[str] = set()
    open_names = list(waits[name])
    while open_names:
        one = open_names.pop()
        if one not in found:
            found.add(one)
            open_names += waits[one]
    return found


def job_named(stage: Stage, name: str) -> Job:
    """Return a job of a stage by its name."""
    return next(job for job in stage.jobs if job.name == name)


def _check(
    waits: Mapping[str, tuple[str, ...]], places: Mapping[str, Place], rootless: str, subject: str, noun: str
) -> None:
    if all(waits.values()):
        raise next(iter(places.values())).wrong(rootless)
    known = {name.casefold(): name for name in waits}
    edges = {name: [known[target.casefold()] for target in targets if target.casefold() in known]
             for name, targets in waits.items()}  # fmt: skip
    for name, targets in edges.items():
        for target in targets:
            if name == target or name in ancestors(target, edges):
                raise places[name].wrong(
                    f"{subject} {name} depends on {noun} {target} which creates a cycle in the dependency graph."
                )
    for name, targets in waits.items():
        for target in targets:
            if target.casefold() not in known:
                raise places[name].wrong(f"{subject} {name} depends on unknown {noun} {target}.")


def _spelled(waits: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    known = {name.casefold(): name for name in waits}
    return {name: tuple(known[target.casefold()] for target in targets) for name, targets in waits.items()}
