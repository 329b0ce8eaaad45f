"""Steps of others in a run: clones, tasks by their effects, and what is refused before anything runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from workflow_replay.effects import EffectContext, EffectFailed, EffectResult, Effects
from workflow_replay.errors import UnknownStep, WorkflowError
from workflow_replay.record import Run, played
from workflow_replay.surroundings import Surroundings
from workflow_replay.testing import Origin

FILE = "azure-pipelines.yml"
Play = Callable[..., Run]


def test_a_checkout_has_one_commit_unless_told_and_can_push(play: Play, origin: Origin) -> None:
    text = """
jobs:
- job: shallow
  steps:
  - bash: git rev-list --count HEAD; git status --porcelain; pwd
- job: deep
  steps:
  - checkout: self
    fetchDepth: 0
    path: here
  - bash: |
      git rev-list --count HEAD
      basename "$PWD"
      git push -q origin HEAD:refs/heads/pushed
- job: none
  steps:
  - checkout: none
  - bash: ls -A
"""
    origin.commit({"more": "x"})

    run = play(text)

    assert run.job("shallow").steps[1].output[0] == "1"
    assert run.job("deep").steps[1].output == ("2", "here")
    assert run.job("none").steps[1].output == ()
    assert origin.tip("refs/heads/pushed") == origin.tip("refs/heads/main")


def test_tasks_have_outputs_variables_paths_and_an_end(play: Play) -> None:
    seen: list[object] = []

    def tool(inputs: object, context: EffectContext) -> EffectResult:
        seen.extend((inputs, context.environment, context.variables["MINE"]))
        return EffectResult(
            outputs={"version": "1.2"},
            variables={"installed": "yes"},
            masks=("key",),
            at_end=lambda: seen.append("end"),
        )

    def broken(inputs: object, context: EffectContext) -> EffectResult:
        raise EffectFailed("the service is down")

    run = play(
        """
steps:
- checkout: none
- task: Tool@2
  name: tool
  inputs: {version: $(wanted)}
  env: {MINE: m-$(wanted)}
- bash: echo "$(tool.version) $INSTALLED key"
- task: Broken@1
""",
        around=Surroundings(variables={"wanted": "1"}, effects=Effects({"tool": tool, "broken": broken})),
    )

    assert seen == [{"version": "1"}, None, "m-1", "end"]
    assert run.jobs[0].steps[2].output == ("1.2 yes ***",)
    assert run.jobs[0].steps[3].annotations[0].message == "the service is down"
    assert (played(run), run.conclusion) == (("checkout", "Tool@2", "Broken@1"), "failure")


def test_what_cannot_be_replayed_is_refused_before_anything_runs(play: Play) -> None:
    with pytest.raises(UnknownStep, match=r"azure-pipelines\.yml:3: no effect is declared for Unknown"):
        play("steps:\n- bash: touch ran\n- task: Unknown@1\n")

    with pytest.raises(WorkflowError, match="Variable group nobody-gave-it was not found"):
        play("variables:\n- group: nobody-gave-it\nsteps: []\n")


def test_two_streams_cannot_be_told_apart(play: Play) -> None:
    with pytest.raises(WorkflowError, match="failOnStderr cannot be replayed"):
        play("steps:\n- checkout: none\n- bash: echo\n  failOnStderr: true\n")
