"""Which steps start or are skipped, and how a job ends, by the states of its steps."""

from __future__ import annotations

import pytest

from azureml_emulator.jobs.definitions.states import State
from azureml_emulator.jobs.definitions.steps import FromStep, Graph, Step, StepInput
from azureml_emulator.jobs.graph.scheduling import NextSteps, decide

#   a ── b ── c      d needs nothing
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
    "steps-without-inputs-start-first": ("nnnn", NextSteps(start=("a", "d"))),
    "running-steps-are-waited-for": ("rnnr", NextSteps()),
    "a-completed-step-starts-the-next": ("cnnr", NextSteps(start=("b",))),
    "a-failed-step-skips-all-after-it-and-others-start": ("fnnn", NextSteps(start=("d",), skip=("b", "c"))),
    "a-canceled-step-skips-all-after-it": ("xnnc", NextSteps(skip=("b", "c"), end="Canceled")),
    "skips-reach-through-skipped-steps": ("cfnc", NextSteps(skip=("c",), end="Failed")),
    "all-completed": ("cccc", NextSteps(end="Completed")),
    "one-failed-at-the-end": ("cccf", NextSteps(end="Failed")),
    "failed-but-others-run": ("fxxr", NextSteps()),
}


@pytest.mark.parametrize(("letters", "plan"), CASES.values(), ids=CASES)
def test_next_steps(letters: str, plan: NextSteps) -> None:
    states = {name: LETTERS[letter] for name, letter in zip(NEEDS, letters, strict=True)}

    assert decide(graph(), states, limit=4) == plan


def test_no_more_steps_start_than_the_limit() -> None:
    states: dict[str, State] = dict.fromkeys(NEEDS, "NotStarted")
    assert decide(graph(), states, limit=1) == NextSteps(start=("a",))
    assert decide(graph(), states | {"d": "Running"}, limit=1) == NextSteps()


def test_a_failure_that_ends_the_pipeline_stops_running_steps() -> None:
    states: dict[str, State] = {"a": "Failed", "b": "NotStarted", "c": "NotStarted", "d": "Running"}

    assert decide(graph(go_on=False), states, limit=4) == NextSteps(skip=("b", "c"), stop=True)
