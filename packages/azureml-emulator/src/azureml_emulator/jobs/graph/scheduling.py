"""Which steps start, which are skipped, and how a job ends, from the states of its steps. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from azureml_emulator.jobs.definitions.states import CANCELED, COMPLETED, FAILED, NOT_STARTED, TERMINAL, State
from azureml_emulator.jobs.definitions.steps import Graph


@dataclass(frozen=True)
class NextSteps:
    """What to do now. `stop`: end what runs. `end` is the job's final state, None while something goes on."""

    start: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    stop: bool = False
    end: State | None = None


def decide(graph: Graph, states: Mapping[str, State], limit: int) -> NextSteps:
    """The next moves. `states` has every step; at most `limit` steps may be under way at once."""
    failed = any(state == FAILED for state in states.values())
    halted = failed and not graph.continue_on_step_failure
    waiting = [name for name in graph.steps if states[name] == NOT_STARTED]
    skip = tuple(name for name in waiting if halted or _hopeless(graph, states, name))
    under_way = sum(1 for state in states.values() if state not in TERMINAL and state != NOT_STARTED)
    ready = [name for name in waiting if name not in skip and _ready(graph, states, name)]
    start = tuple(ready[: max(0, limit - under_way)])
    going_on = under_way or len(waiting) > len(skip)
    return NextSteps(start, skip, halted and under_way > 0, None if going_on else _end(states))


def _ready(graph: Graph, states: Mapping[str, State], name: str) -> bool:
    return all(states[needed] == COMPLETED for needed in graph.steps[name].needs)


def _hopeless(graph: Graph, states: Mapping[str, State], name: str) -> bool:
    """Whether a step it needs, directly or further up, ended without completing."""
    needs = graph.steps[name].needs
    return any(
        states[needed] in {FAILED, CANCELED} or (states[needed] == NOT_STARTED and _hopeless(graph, states, needed))
        for needed in needs
    )


def _end(states: Mapping[str, State]) -> State:
    if any(state == FAILED for state in states.values()):
        return FAILED
    return CANCELED if any(state == CANCELED for state in states.values()) else COMPLETED
