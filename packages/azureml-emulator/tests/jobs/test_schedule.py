"""What starts, what is skipped and how a job ends, from the states of its steps."""

from __future__ import annotations

import pytest

from azureml_emulator.jobs.definitions.states import State
from azureml_emulator.jobs.definitions.steps import FromStep, Graph, Step, StepInput
from azureml_emulator.jobs.graph.scheduling import NextSteps, decide

#   a ── b ── c      d stands alone
NEEDS = {"a": "", "b": "a", "c": "b", "d": ""}
LETTERS: dict[str, State] = {
    "n": "NotStarted",
    "r": "Running",
    "c": "Completed",
    "f": "Failed",
    "x": "Canceled",
}


def graph(*, go_on: bool = True) -> Graph:
    steps = {
        name: Step(
            name=name,
            display_name=name,
            command="true",
            inputs={"data": StepInput("uri_folder", FromStep(before, "out"))} if before else {},
            outputs={},
        )
        for name, before in NEEDS.items()
    }
    return Graph(steps, continue_on_step_failure=go_on)


CASES = {
    "at-first-all-without-needs-start": ("nnnn", NextSteps(start=("a", "d"))),
    "what-runs-is-waited-for": ("rnnr", NextSteps()),
    "a-completed-step-releases-the-next": ("cnnr", NextSteps(start=("b",))),
    "a-failed-step-skips-all-after-it-and-others-start": ("fnnn", NextSteps(start=("d",), skip=("b", "c"))),
    "a-canceled-step-skips-all-after-it": ("xnnc", NextSteps(skip=("b", "c"), end="Canceled")),
    "skips-reach-through-skipped-steps": ("cfnc", NextSteps(skip=("c",), end="Failed")),
    "all-completed": ("cccc", NextSteps(end="Completed")),
    "one-failed-at-the-end": ("cccf", NextSteps(end="Failed")),
    "failed-but-others-run": ("fxxr", NextSteps()),
}


@pytest.mark.parametrize(("letters", "plan"), CASES.values(), ids=CASES)
def test_plan(letters: str, plan: NextSteps) -> None:
    states = {name: LETTERS[letter] for name, letter in zip(NEEDS, letters, strict=True)}

    assert decide(graph(), states, limit=4) == plan


def test_no_more_steps_start_than_the_limit_leaves_room_for() -> None:
    states: dict[str, State] = dict.fromkeys(NEEDS, "NotStarted")
    assert decide(graph(), states, limit=1) == NextSteps(start=("a",))
    assert decide(graph(), states | {"d": "Running"}, limit=1) == NextSteps()


def test_where_a_failure_ends_the_pipeline_running_steps_are_stopped_and_waiting_ones_skipped() -> None:
    states: dict[str, State] = {"a": "Failed", "b": "NotStarted", "c": "NotStarted", "d": "Running"}

    assert decide(graph(go_on=False), states, limit=4) == NextSteps(skip=("b", "c"), stop=True)
