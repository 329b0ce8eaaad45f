"""Expands a job to the jobs that run: legs of a matrix, slices, hooks of a deployment. No I/O.

Undocumented, and assumed here: a rolling deployment has one target, the environment's resource. The hooks `deploy`,
`routeTraffic` and `postRouteTraffic` of a canary run once per increment, or once if there are no increments. The hook
determines whether `strategy.action` is deploy, promote or reject.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workflow_replay.azure.pipeline.model import HookName, Hooks, Job, Matrix, Slices, Step

_PER_INCREMENT: tuple[HookName, ...] = ("deploy", "routeTraffic", "postRouteTraffic")


@dataclass(frozen=True)
class Instance:
    """A job that runs: `key` identifies it among those of the same job, `output_key` precedes its output variables."""

    job: Job
    steps: tuple[Step, ...]
    key: str = ""
    output_key: str = ""
    hook: HookName | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def display_name(self) -> str:
        """The display name."""
        name = self.job.display_name or self.job.name
        return f"{name} {self.key}" if self.key else name


def instances(job: Job, legs: Mapping[str, Mapping[str, str]] | None = None) -> tuple[Instance, ...]:
    """Return what runs in parallel for a job without hooks; `legs` are those of a matrix known only at run time."""
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
    """Return what runs in sequence for a deployment, without the hooks `on.success` and `on.failure`."""
    rounds: list[tuple[HookName, str]] = []
    if "preDeploy" in hooks.steps:
        rounds.append(("preDeploy", ""))
    for increment in hooks.increments or ("",):
        rounds += [(hook, increment) for hook in _PER_INCREMENT if hook in hooks.steps]
    several = len(rounds) > 1
    return tuple(_hook(job, hooks, hook, increment, several=several) for hook, increment in rounds)


def final_instance(job: Job, hooks: Hooks, *, succeeded: bool) -> Instance | None:
    """Return the hook `on.success` or `on.failure` of a deployment, if any."""
    hook: HookName = "success" if succeeded else "failure"
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
