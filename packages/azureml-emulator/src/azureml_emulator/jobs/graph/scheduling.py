"""Schedules steps: from the states of all steps, which to start or skip, and how the job ends. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from azureml_emulator.jobs.definitions.states import CANCELED, COMPLETED, FAILED, NOT_STARTED, TERMINAL, State
from azureml_emulator.jobs.definitions.steps import Graph


@dataclass(frozen=True)
class NextSteps:
    """What to do next. `stop`: cancel running steps. `end` is the final state of the job, None while it runs."""

    start: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    stop: bool = False
    end: State | None = None


def decide(graph: Graph, states: Mapping[str, State], limit: int) -> NextSteps:
    """Decide the next steps. `states` has every step; at most `limit` steps may run at the same time."""
    failed = any(state == FAILED for state in states.values())
    halted = failed and not graph.continue_on_step_failure
    waiting = [name for name in graph.steps if states[name] == NOT_STARTED]
    skip = tuple(name for name in waiting if halted or _is_blocked(graph, states, name))
    running = sum(1 for state in states.values() if state not in TERMINAL and state != NOT_STARTED)
    ready = [name for name in waiting if name not in skip and _is_ready(graph, states, name)]
    start = tuple(ready[: max(0, limit - running)])
    unfinished = running or len(waiting) > len(skip)
    return NextSteps(start, skip, halted and running > 0, None if unfinished else outcome(states))


def _is_ready(graph: Graph, states: Mapping[str, State], name: str) -> bool:
    return all(states[needed] == COMPLETED for needed in graph.steps[name].needs)


def _is_blocked(graph: Graph, states: Mapping[str, State], name: str) -> bool:
    """Whether a step that it needs, directly or indirectly, ended without completing."""
    needs = graph.steps[name].needs
    return any(
        states[needed] in {FAILED, CANCELED} or (states[needed] == NOT_STARTED and _is_blocked(graph, states, needed))
        for needed in needs
    )


def outcome(states: Mapping[str, State]) -> State:
    """The final state of a pipeline whose steps have all ended."""
    if any(state == FAILED for state in states.values()):
        return FAILED
    return CANCELED if any(state == CANCELED for state in states.values()) else COMPLETED
