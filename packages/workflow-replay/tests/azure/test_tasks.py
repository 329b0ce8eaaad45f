"""Checkouts, tasks by their declared effect, and errors before anything runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from workflow_replay.effects import EffectContext, EffectFailed, EffectResult, Effects
from workflow_replay.errors import UnknownStep, WorkflowError
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import Run, simulated
from workflow_replay.testing import Origin

FILE = "azure-pipelines.yml"
Replay = Callable[..., Run]


def test_a_checkout_is_shallow_by_default_and_can_push(replayed: Replay, origin: Origin) -> None:
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

    run = replayed(text)

    assert run.job("shallow").steps[1].output[0] == "1"
    assert run.job("deep").steps[1].output == ("2", "here")
    assert run.job("none").steps[1].output == ()
    assert origin.tip("refs/heads/pushed") == origin.tip("refs/heads/main")


def test_tasks_have_outputs_variables_paths_and_post_job_callbacks(replayed: Replay) -> None:
    seen: list[object] = []

    def tool(inputs: object, context: EffectContext) -> EffectResult:
        seen.extend((inputs, context.environment, context.variables["MINE"]))
        return EffectResult(
            outputs={"version": "1.2"},
            variables={"installed": "yes"},
            masks=("key",),
            post=lambda: seen.append("end"),
        )

    def broken(inputs: object, context: EffectContext) -> EffectResult:
        raise EffectFailed("the service is down")

    run = replayed(
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
        host=HostEnvironment(variables={"wanted": "1"}, effects=Effects({"tool": tool, "broken": broken})),
    )

    assert seen == [{"version": "1"}, None, "m-1", "end"]
    assert run.jobs[0].steps[2].output == ("1.2 yes ***",)
    assert run.jobs[0].steps[3].annotations[0].message == "the service is down"
    assert (simulated(run), run.conclusion) == (("checkout", "Tool@2", "Broken@1"), "failure")


def test_what_cannot_be_replayed_is_rejected_before_anything_runs(replayed: Replay) -> None:
    with pytest.raises(UnknownStep, match=r"azure-pipelines\.yml:3: no effect is declared for Unknown"):
        replayed("steps:\n- bash: touch ran\n- task: Unknown@1\n")

    with pytest.raises(WorkflowError, match="Variable group unknown was not found"):
        replayed("variables:\n- group: unknown\nsteps: []\n")


def test_fail_on_stderr_is_rejected(replayed: Replay) -> None:
    with pytest.raises(WorkflowError, match="failOnStderr cannot be replayed"):
        replayed("steps:\n- checkout: none\n- bash: echo\n  failOnStderr: true\n")
