"""Checkouts, tasks by their declared effect, and errors before anything runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_replay.effects import EffectContext, EffectFailed, EffectResult, Effects, no_op
from workflow_replay.errors import Unreplayable
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import Run, limits, simulated
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


def programs(folder: Path, *names: str) -> str:
    """A PATH with these programs alone."""
    for name in names:
        (folder / name).symlink_to(shutil.which(name) or name)
    return str(folder)


def test_what_cannot_be_replayed_fails_the_step_or_job_that_needs_it(replayed: Replay, tmp_path: Path) -> None:
    (tmp_path / "programs").mkdir()
    run = replayed(
        """
resources: {repositories: [{repository: other, type: git, name: p/other}]}
jobs:
- job: tasks
  steps:
  - checkout: none
  - bash: echo ran
  - {task: Unknown@1, retryCountOnTaskFailure: 2}
- {job: errors, steps: [{checkout: none}, {bash: echo, failOnStderr: true}]}
- {job: review, steps: [{checkout: none}, {reviewApp: x}]}
- {job: sources, steps: [{checkout: other}]}
- {job: inside, container: "ubuntu:24.04", steps: [{bash: echo}]}
- {job: server, pool: server, steps: [{task: Delay@1}]}
- {job: shell, steps: [{checkout: none}, {pwsh: Get-Date}]}
- job: windows
  steps:
  - checkout: none
  - {task: AzureCLI@2, inputs: {azureSubscription: a, scriptType: ps, scriptLocation: inlineScript, inlineScript: a}}
- {job: grouped, variables: [{group: of-job}], steps: [{bash: echo}]}
- {job: unreached, condition: false, container: "ubuntu:24.04", steps: [{task: Unknown@2}]}
""",
        host=HostEnvironment(environ={"PATH": programs(tmp_path / "programs", "bash", "git")}),
    )
    tasks = run.job("tasks")

    assert [job.id for job in run.jobs if job.conclusion != "failure"] == ["unreached"]
    assert tasks.steps[1].output == ("ran",)
    assert [each.message for each in tasks.steps[2].annotations if each.level == "warning"] == []
    assert [(limit.location.partition(":")[2], limit.message.partition(":")[0]) for limit in limits(run)] == [
        ("8", "no effect is declared for Unknown"),
        ("9", "failOnStderr cannot be replayed"),
        ("10", "steps of kind reviewApp cannot be replayed"),
        ("11", "only `checkout"),
        ("12", "jobs with `container` cannot be replayed"),
        ("13", "server jobs cannot be replayed"),
        ("14", "the step needs pwsh, which is not installed on this machine"),
        ("18", "AzureCLI with scriptType ps cannot be replayed"),
        ("19", "the variables of the group of-job are in Azure DevOps, not in the repository"),
    ]
    assert [(limit.needs, limit.name) for limit in limits(run) if limit.needs] == [
        ("effect", "Unknown"),
        ("group", "of-job"),
    ]


def test_a_stage_without_its_variable_group_fails_and_a_file_without_one_does_not_begin(replayed: Replay) -> None:
    run = replayed("""
stages:
- stage: one
  jobs: [{job: a, steps: [{checkout: none}, {bash: echo}]}]
- stage: two
  variables: [{group: of-stage}]
  jobs: [{job: b, steps: [{bash: echo}]}]
""")

    assert [(job.id, job.conclusion) for job in run.jobs] == [("one.a", "success"), ("two.b", "failure")]
    assert limits(run)[0].name == "of-stage"

    with pytest.raises(Unreplayable, match=r"yml:2: the variables of the group unknown") as caught:
        replayed("variables:\n- group: unknown\nsteps: []\n")
    assert (caught.value.limit.needs, caught.value.limit.name) == ("group", "unknown")


def test_a_declared_effect_and_group_remove_the_limit(replayed: Replay) -> None:
    run = replayed(
        "variables: [{group: mine}]\nsteps: [{checkout: none}, {task: Unknown@1}, {bash: echo $(word)}]\n",
        host=HostEnvironment(environment_variables={"mine": {"word": "hello"}}, effects=Effects({"Unknown": no_op})),
    )

    assert (run.conclusion, limits(run)) == ("success", ())
    assert run.jobs[0].steps[2].output == ("hello",)


@pytest.mark.parametrize("key", ["phases: [{phase: one, steps: []}]", "queue: Hosted"])
def test_the_older_form_of_pipelines_is_a_limit(replayed: Replay, key: str) -> None:
    with pytest.raises(Unreplayable, match="of the older form of pipelines"):
        replayed(f"{key}\nsteps: []\n" if key.startswith("queue") else f"{key}\n")


def test_upload_and_a_list_of_resources_are_the_former_names(replayed: Replay, origin: Origin) -> None:
    origin.commit({"out/a.txt": "1"})
    run = replayed(
        "resources: [{repo: self}]\njobs:\n- job: a\n  steps: [{checkout: self}, {upload: out, artifact: drop}]\n"
        "- job: b\n  dependsOn: a\n  steps: [{download: current, artifact: drop}, {bash: cat drop/a.txt, "
        "workingDirectory: $(Pipeline.Workspace)}]\n"
    )

    assert (run.conclusion, limits(run)) == ("success", ())
    assert run.job("b").steps[-1].output == ("1",)
