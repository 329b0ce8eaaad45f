"""Schedules steps: from the states of all steps, which to start or skip, and how the job ends. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from azureml_emulator.jobs.definitions.control_flow import Control
from azureml_emulator.jobs.definitions.states import (
    BYPASSED,
    CANCELED,
    COMPLETED,
    FAILED,
    NOT_STARTED,
    TERMINAL,
    State,
)
from azureml_emulator.jobs.definitions.steps import Graph, Step


@dataclass(frozen=True)
class NextSteps:
    """What to do next. `stop`: cancel running steps. `end` is the final state of the job, None while it runs.

    `skip` are not run because of a failure, `bypass` because another branch is taken.
    """

    start: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    bypass: tuple[str, ...] = ()
    stop: bool = False
    end: State | None = None


def decide(
    graph: Graph, states: Mapping[str, State], limit: int, taken: Mapping[str, bool] = MappingProxyType({})
) -> NextSteps:
    """Decide the next steps. `states` has every step and control node, `taken` the conditions that were evaluated.

    At most `limit` steps may run at the same time; control nodes do not count.
    """
    failed = any(state == FAILED for state in states.values())
    halted = failed and not graph.continue_on_step_failure
    nodes: dict[str, Step | Control] = {**graph.steps, **graph.controls}
    waiting = [name for name in nodes if states[name] == NOT_STARTED]
    bypass = tuple(name for name in waiting if _is_bypassed(nodes[name], states, taken))
    rest = [name for name in waiting if name not in bypass]
    skip = tuple(name for name in rest if halted or _is_blocked(nodes, states, name))
    active = {name for name in nodes if states[name] not in TERMINAL and states[name] != NOT_STARTED}
    running = sum(1 for name in active if name in graph.steps)
    ready = [name for name in rest if name not in skip and all(states[need] == COMPLETED for need in nodes[name].needs)]
    steps = [name for name in ready if name in graph.steps]
    start = (*(name for name in ready if name in graph.controls), *steps[: max(0, limit - running)])
    unfinished = active or len(rest) > len(skip)
    return NextSteps(start, skip, bypass, halted and running > 0, None if unfinished else outcome(states))


def _is_bypassed(node: Step | Control, states: Mapping[str, State], taken: Mapping[str, bool]) -> bool:
    """Whether it is in a branch that is not taken, or needs something that is."""
    closed = any(taken.get(gate.choice, gate.taken) != gate.taken for gate in node.gates)
    return closed or any(states[needed] == BYPASSED for needed in node.needs)


def _is_blocked(nodes: Mapping[str, Step | Control], states: Mapping[str, State], name: str) -> bool:
    """Whether a step that it needs, directly or indirectly, ended without completing."""
    return any(
        states[needed] in {FAILED, CANCELED} or (states[needed] == NOT_STARTED and _is_blocked(nodes, states, needed))
        for needed in nodes[name].needs
    )


def outcome(states: Mapping[str, State]) -> State:
    """The final state of a pipeline whose steps have all ended."""
    if any(state == FAILED for state in states.values()):
        return FAILED
    return CANCELED if any(state == CANCELED for state in states.values()) else COMPLETED
