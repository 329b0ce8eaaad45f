"""The jobs that really run for one job of a file: legs of a matrix, slices, hooks of a deployment. Pure.

Where the documentation is silent: a rolling deployment has one target, the environment's resource; a canary's
`deploy`, `routeTraffic` and `postRouteTraffic` run once for each increment, and once more without one for the
promotion when there are no increments at all; `strategy.action` is deploy, promote or reject by the hook.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workflow_replay.azure.pipeline.model import HookName, Hooks, Job, Matrix, Slices, Step

_PER_INCREMENT: tuple[HookName, ...] = ("deploy", "routeTraffic", "postRouteTraffic")


@dataclass(frozen=True)
class Instance:
    """A job that runs: `key` tells it from its brothers, `output_key` stands before its output variables."""

    job: Job
    steps: tuple[Step, ...]
    key: str = ""
    output_key: str = ""
    hook: HookName | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def display_name(self) -> str:
        """The name for people."""
        shown = self.job.display_name or self.job.name
        return f"{shown} {self.key}" if self.key else shown


def instances(job: Job, legs: Mapping[str, Mapping[str, str]] | None = None) -> tuple[Instance, ...]:
    """Return what runs at the same time for a job without hooks; `legs` are those of a matrix known only now."""
    match job.strategy:
        case Matrix() as matrix:
            found = matrix.legs if legs is None else legs
            made = tuple(Instance(job, job.steps, name, name, variables=values) for name, values in found.items())
            return made or (Instance(job, job.steps),)
        case Slices(count):
            return tuple(_slice(job, position, count) for position in range(1, count + 1))
        case None:
            return (Instance(job, job.steps),)


def hook_instances(job: Job, hooks: Hooks) -> tuple[Instance, ...]:
    """Return what runs one after the other for a deployment, without its endings."""
    rounds: list[tuple[HookName, str]] = []
    if "preDeploy" in hooks.steps:
        rounds.append(("preDeploy", ""))
    for increment in hooks.increments or ("",):
        rounds += [(hook, increment) for hook in _PER_INCREMENT if hook in hooks.steps]
    several = len(rounds) > 1
    return tuple(_hook(job, hooks, hook, increment, several=several) for hook, increment in rounds)


def ending_instance(job: Job, hooks: Hooks, *, good: bool) -> Instance | None:
    """Return what runs after the hooks of a deployment, if it has such an ending."""
    hook: HookName = "success" if good else "failure"
    return _hook(job, hooks, hook, "", several=True) if hook in hooks.steps else None


def _slice(job: Job, position: int, count: int) -> Instance:
    variables = {"System.JobPositionInPhase": str(position), "System.TotalJobsInPhase": str(count)}
    return Instance(job, job.steps, str(position), f"job{position}", variables=variables)


def _hook(job: Job, hooks: Hooks, hook: HookName, increment: str, *, several: bool) -> Instance:
    key = "_".join(part for part in (hook, increment) if part) if several else ""
    variables = {"Strategy.Name": hooks.strategy, "Strategy.Action": _action(hook)}
    if increment:
        variables["Strategy.Increment"] = increment
    return Instance(job, hooks.steps[hook], key, _output_key(job, hooks, hook, increment), hook, variables)


def _output_key(job: Job, hooks: Hooks, hook: HookName, increment: str) -> str:
    resource = job.environment.resource if job.environment else ""
    if hooks.strategy == "runOnce":
        return f"Deploy_{resource}" if resource else job.name
    suffix = increment if hooks.strategy == "canary" else resource
    return f"{hook}_{suffix}" if suffix else hook


def _action(hook: HookName) -> str:
    return {"success": "promote", "failure": "reject"}.get(hook, "deploy")
