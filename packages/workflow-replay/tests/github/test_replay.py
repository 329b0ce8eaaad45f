"""Which workflows run for an event, and the inputs of manual runs."""

import pytest

from workflow_replay.errors import EventError, WorkflowError
from workflow_replay.events import Manual, Schedule
from workflow_replay.github import replay, replay_all
from workflow_replay.testing import Origin

from .conftest import MAIN, Replay


def test_replay_all_runs_every_triggered_workflow(origin: Origin) -> None:
    job = "jobs: {a: {runs-on: x, steps: [{run: echo}]}}\n"
    origin.commit({
        ".github/workflows/a.yml": f"name: A\non: push\n{job}",
        ".github/workflows/b.yaml": f"name: B\non: pull_request\n{job}",
        ".github/workflows/c.yml": f"name: C\non: [push, workflow_call]\n{job}",
        ".github/workflows/notes.txt": "no workflow",
    })  # fmt: skip

    assert [run.name for run in replay_all(origin.bare, MAIN)] == ["A", "C"]


def test_an_untriggered_run_has_a_reason(replayed: Replay, origin: Origin) -> None:
    run = replayed("on: {push: {branches: [release]}}\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n")

    assert not run.triggered
    assert run.reason == "the branch main does not match its filter"
    with pytest.raises(EventError, match=r"gone\.yml does not exist"):
        replay(origin.bare, ".github/workflows/gone.yml", MAIN)


def test_inputs_of_a_manual_run_are_typed_in_inputs_and_text_in_the_event(replayed: Replay) -> None:
    text = """
on:
  workflow_dispatch: {inputs: {dry: {type: boolean, default: true}, n: {type: number, default: 3}}}
  schedule: [{cron: "1 2 * * *"}, {cron: "3 4 * * *"}]
jobs:
  a:
    runs-on: x
    steps:
      - run: echo "${{ inputs.dry == true }} ${{ github.event.inputs.dry == 'true' }} ${{ inputs.n + 0 }}"
        if: github.event_name == 'workflow_dispatch' && false
      - run: echo "${{ inputs.dry == true }} ${{ github.event.inputs.dry == 'true' }} ${{ github.event.inputs.n }}"
      - run: echo "${{ github.event.schedule }}"
"""
    with pytest.raises(WorkflowError, match="unexpected symbol"):
        replayed(text, Manual("refs/heads/main"))

    run = replayed(text.replace(" ${{ inputs.n + 0 }}", ""), Manual("refs/heads/main"))
    scheduled = replayed(text.replace(" ${{ inputs.n + 0 }}", ""), Schedule())

    assert run.jobs[0].steps[1].output == ("true true 3",)
    assert scheduled.jobs[0].steps[1].output == ("false false ",)
    assert scheduled.jobs[0].steps[2].output == ("1 2 * * *",)
