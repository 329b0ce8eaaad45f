"""Jobs and stages: dependencies, outputs, matrices, timeouts and cancellation."""

from __future__ import annotations

from collections.abc import Callable

from workflow_replay.cancellation import Cancellation
from workflow_replay.effects import EffectContext, EffectResult, Effects
from workflow_replay.events import Manual
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.progress import Listener
from workflow_replay.result import Run, commands

FILE = "azure-pipelines.yml"
Replay = Callable[..., Run]


OUTPUTS = """
stages:
- stage: A
  jobs:
  - job: make
    steps:
    - checkout: none
    - bash: echo "##vso[task.setvariable variable=version;isOutput=true]7"
      name: out
    - bash: echo "same job $(out.version) $OUT_VERSION"
  - job: legs
    strategy:
      maxParallel: 1
      matrix:
        one: {leg: '1'}
        two: {leg: '2'}
    steps:
    - bash: echo "##vso[task.setvariable variable=value;isOutput=true]leg $(leg) of $(System.JobName)"
      name: out
  - job: use
    dependsOn: [make, legs]
    condition: and(succeeded(), eq(dependencies.make.outputs['out.version'], '7'))
    variables:
      v: $[ dependencies.make.outputs['out.version'] ]
      l: $[ dependencies.legs.outputs['two.out.value'] ]
    steps:
    - bash: echo "$(v) $(l)"
  - job: other
    dependsOn: make
    condition: eq(dependencies.make.outputs['out.version'], '8')
    steps:
    - bash: echo never
- stage: B
  condition: and(succeeded(), eq(dependencies.A.outputs['make.out.version'], '7'))
  variables:
    fromA: $[ stageDependencies.A.make.outputs['out.version'] ]
  jobs:
  - job: use
    condition: in(stageDependencies.A.use.result, 'Succeeded')
    steps:
    - bash: echo "stage $(fromA)"
  - job: sliced
    strategy: {parallel: 2}
    steps:
    - bash: echo "$(System.JobPositionInPhase)/$(System.TotalJobsInPhase)"
- stage: C
  dependsOn: A
  condition: eq(dependencies.A.outputs['make.out.version'], 'other')
  jobs:
  - job: never
    steps: [{bash: echo never}]
"""


def test_outputs_cross_steps_jobs_and_stages(replayed: Replay) -> None:
    run = replayed(OUTPUTS)

    said = {job.id: job.steps[-1].output for job in run.jobs if job.conclusion == "success"}
    assert run.conclusion == "success"
    assert said == {
        "A.make": ("same job 7 7",),
        "A.legs.one": (),
        "A.legs.two": (),
        "A.use": ("7 leg 2 of two",),
        "B.use": ("stage 7",),
        "B.sliced.1": ("1/2",),
        "B.sliced.2": ("2/2",),
    }
    assert run.job("A / legs two").id == "A.legs.two"
    assert (run.job("A.other").conclusion, run.job("C.never").conclusion) == ("skipped", "skipped")
    assert run.job("C.never").reason == (
        "the condition eq(dependencies.A.outputs['make.out.version'], 'other') is false"
    )


def test_skipped_and_failed_jobs_affect_their_dependents(replayed: Replay) -> None:
    run = replayed(
        """
jobs:
- job: bad
  steps: [{checkout: none}, {bash: exit 1}]
- job: tolerated
  continueOnError: true
  steps: [{checkout: none}, {bash: exit 1}]
- job: after_tolerated
  dependsOn: tolerated
  steps: [{checkout: none}]
- job: rescue
  dependsOn: bad
  condition: failed()
  steps: [{checkout: none}]
- job: after_rescue
  dependsOn: rescue
  steps: [{checkout: none}]
- job: after_rescue_only
  dependsOn: rescue
  condition: succeeded('rescue')
  steps: [{checkout: none}]
- job: skipped
  condition: eq(1, 2)
- job: after_skipped
  dependsOn: skipped
  condition: succeededOrFailed()
- job: always
  dependsOn: skipped
  condition: always()
  steps: [{checkout: none}]
- job: broken
  condition: gt(1, 'text')
- job: after_broken
  dependsOn: broken
  condition: failed()
""",
    )

    assert {job.id: job.conclusion for job in run.jobs} == {
        "bad": "failure",
        "tolerated": "success",
        "after_tolerated": "success",
        "rescue": "success",
        "after_rescue": "skipped",
        "after_rescue_only": "success",
        "skipped": "skipped",
        "after_skipped": "skipped",
        "always": "success",
        "broken": "failure",
        "after_broken": "skipped",
    }
    assert run.job("tolerated").outcome == "failure"
    assert "cannot be evaluated" in run.job("broken").reason


def test_unknown_references_are_reported(replayed: Replay) -> None:
    text = """
jobs:
- job: A
  steps: [{checkout: none}]
- job: B
  dependsOn: A
  condition: eq(dependencies.A.outputs['step.wrong'], 'true')
- job: C
  condition: eq(dependencies.A.result, 'Succeeded')
- job: D
  dependsOn: A
  variables:
    v: $[ dependencies.A.outputs['step.v'] ]
  steps: [{checkout: none}]
"""

    run = replayed(text)

    assert run.job("B").reason.endswith("unknown: dependencies.A.outputs['step.wrong']")
    assert run.job("C").reason.endswith("unknown: dependencies.A.result")
    assert (run.job("D").conclusion, run.job("D").reason) == (
        "success", "unknown: dependencies.A.outputs['step.v']",
    )  # fmt: skip


def test_a_matrix_may_be_a_runtime_expression(replayed: Replay) -> None:
    run = replayed(
        """
jobs:
- job: plan
  steps:
  - checkout: none
  - bash: |
      echo '##vso[task.setvariable variable=legs;isOutput=true]{"dev": {"to": "d"}, "prod": {"to": "p"}}'
    name: out
- job: go
  dependsOn: plan
  strategy:
    matrix: $[ dependencies.plan.outputs['out.legs'] ]
  steps:
  - checkout: none
  - bash: echo "to $(to)"
""",
    )

    assert [(job.name, job.steps[-1].output) for job in run.jobs[1:]] == [
        ("go dev", ("to d",)), ("go prod", ("to p",)),
    ]  # fmt: skip


def test_a_cancelled_run_does_only_what_always_runs(replayed: Replay) -> None:
    cancellation = Cancellation()

    def cancel(inputs: object, context: EffectContext) -> EffectResult:
        cancellation.cancel()
        return EffectResult()

    run = replayed(
        """
jobs:
- job: first
  steps:
  - checkout: none
  - task: Cancel@1
  - bash: echo never
  - bash: echo cleaned
    condition: always()
  - bash: echo never
    condition: succeededOrFailed()
- job: second
  dependsOn: first
  steps: [{checkout: none}]
- job: last
  dependsOn: second
  condition: canceled()
  steps: [{checkout: none}, {bash: echo always}]
""",
        host=HostEnvironment(effects=Effects({"Cancel": cancel}), cancellation=cancellation),
    )

    assert run.conclusion == "cancelled"
    assert [step.conclusion for step in run.job("first").steps] == [
        "success", "success", "skipped", "success", "skipped",
    ]  # fmt: skip
    assert run.job("second").conclusion == "cancelled"
    assert run.job("last").steps[-1].output == ("always",)
    assert commands(run) == ("echo cleaned", "echo always")


def test_a_running_script_is_stopped_by_a_cancellation(replayed: Replay) -> None:
    cancellation = Cancellation()

    class Stopper(Listener):
        def line(self, job: str, step: str, text: str) -> None:
            if text == "ready":
                cancellation.cancel()

    text = "steps:\n- checkout: none\n- bash: echo ready; sleep 60\n"
    run = replayed(text, host=HostEnvironment(listener=Stopper(), cancellation=cancellation))

    assert (run.conclusion, run.jobs[0].steps[1].conclusion) == ("cancelled", "cancelled")


def test_a_job_times_out_and_an_invalid_variable_fails_it(replayed: Replay) -> None:
    run = replayed(
        """
jobs:
- job: slow
  timeoutInMinutes: 0.02
  steps: [{checkout: none}, {bash: sleep 30}, {bash: echo never}, {bash: echo cleaned, condition: always()}]
- job: broken
  variables: {v: "$[ gt(1, 'text') ]"}
  steps: [{bash: echo never}]
""",
    )

    slow, broken = run.jobs
    assert (slow.conclusion, [step.conclusion for step in slow.steps]) == (
        "cancelled", ["success", "cancelled", "skipped", "success"],
    )  # fmt: skip
    assert (broken.conclusion, broken.steps) == ("failure", ())
    assert "azure-pipelines.yml:7: the variable v: Unable to convert" in broken.reason


def test_the_file_overrides_variables_of_groups_and_settings(replayed: Replay) -> None:
    text = """
variables:
- group: shared
- name: b
  value: file
steps:
- checkout: none
- bash: echo "$(a) $(b) $(c) $(s)"
"""
    host = HostEnvironment(
        variables={"a": "settings", "b": "settings", "c": "settings"},
        environment_variables={"shared": {"a": "group"}},
        environment_secrets={"shared": {"s": "very-secret"}},
    )

    assert replayed(text, host=host).jobs[0].steps[1].output == ("group file settings ***",)


def test_manual_runs_have_parameters_and_a_run_number(replayed: Replay) -> None:
    text = """
name: release-$(SourceBranchName)-$(Rev:rr)
parameters:
- {name: to, values: [dev, prod]}
- {name: dry, type: boolean, default: true}
steps:
- checkout: none
- bash: echo "${{ parameters.to }} $(Build.BuildNumber) $(Build.Reason)"
- ${{ if not(parameters.dry) }}:
  - bash: echo for real
"""

    run = replayed(text, Manual("main", {"to": "prod", "dry": "false"}))

    assert [step.output for step in run.jobs[0].steps[1:]] == [("prod release-main-01 Manual",), ("for real",)]


def test_with_one_parallel_job_the_order_is_that_of_the_file(replayed: Replay) -> None:
    jobs = "".join(f"- job: j{number}\n  steps: [{{checkout: none}}, {{bash: echo {number}}}]\n" for number in range(6))

    run = replayed(f"jobs:\n{jobs}", host=HostEnvironment(max_parallel_jobs=1))

    assert commands(run) == tuple(f"echo {number}" for number in range(6))
