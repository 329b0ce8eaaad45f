"""Whole runs: real bash, real clones, conditions, variables and outputs between steps, jobs and stages."""

from __future__ import annotations

import pytest

from workflow_replay.approvals import Approval, ApprovalRequest, reject
from workflow_replay.azure import replay
from workflow_replay.effects import EffectContext, EffectFailed, EffectResult, Effects
from workflow_replay.errors import UnknownStep, WorkflowError
from workflow_replay.events import Event, Manual, Push
from workflow_replay.progress import Silence
from workflow_replay.record import JobRun, Run, commands, played
from workflow_replay.stopping import Cancellation
from workflow_replay.surroundings import Surroundings
from workflow_replay.testing import Origin

FILE = "azure-pipelines.yml"
PUSH = Push("refs/heads/main")


def play(origin: Origin, text: str, event: Event = PUSH, around: Surroundings | None = None) -> Run:
    origin.commit({FILE: text})
    return replay(origin.bare, FILE, event, around)


def conclusions(job: JobRun) -> list[str]:
    return [step.conclusion for step in job.steps if step.uses != "checkout"]


def test_variables_reach_scripts_as_macros_and_environment_and_secrets_stay_hidden(
    origin: Origin,
) -> None:
    text = """
variables:
  who: world
  greeting: hello $(who)
  my.dotted: d
steps:
- checkout: none
- bash: |
    echo '$(greeting)'/$GREETING/$MY_DOTTED'/$(undefined)'
    echo "##vso[task.setvariable variable=now]later"
    echo "##vso[task.setvariable variable=token;issecret=true]hunter2"
    echo 'now=$(now)-'${NOW:-unset}
  name: first
- script: echo "$NOW $(now) [${TOKEN:-unset}] $MAPPED $(token) $(password) ${PASSWORD:-unset}"
  env:
    MAPPED: $(token)
- script: echo "$BUILD_REASON $BUILD_SOURCEBRANCHNAME $(Build.DefinitionName) $TF_BUILD $AGENT_JOBSTATUS"
"""

    run = play(origin, text, around=Surroundings(secrets={"password": "tops3cret"}))

    first, second, third = run.jobs[0].steps[1:]
    assert first.output[0] == "hello world/hello world/d/$(undefined)"
    assert first.output[1] == "now=$(now)-unset"
    assert second.output == ("later later [unset] *** *** *** unset",)
    assert third.output == ("IndividualCI main azure-pipelines True Succeeded",)
    assert "hunter2" not in str(run)


def test_a_script_goes_on_after_a_failing_line_and_its_last_command_decides(origin: Origin) -> None:
    run = play(
        origin,
        """
steps:
- script: |
    false
    echo went on
- script: exit 3
  continueOnError: true
- script: echo still $(Agent.JobStatus)
- script: exit 4
- script: never
- script: echo failed
  condition: failed()
- script: echo always
  condition: and(always(), eq(variables['Build.Reason'], 'IndividualCI'))
- script: disabled
  enabled: false
""",
    )

    (job,) = run.jobs
    assert (run.conclusion, job.conclusion) == ("failure", "failure")
    assert conclusions(job) == [
        "success", "success", "success", "failure", "skipped", "success", "success", "skipped",
    ]  # fmt: skip
    went_on, tolerated, still = job.steps[1:4]
    assert went_on.output == ("went on",)
    assert (tolerated.outcome, tolerated.exit_code) == ("failure", 3)
    assert still.output == ("still SucceededWithIssues",)
    assert commands(run) == ("false", "echo went on", "exit 3", "echo still SucceededWithIssues", "exit 4",
                             "echo failed", "echo always")  # fmt: skip


def test_commands_in_the_output_set_results_issues_paths_summaries_and_tags(origin: Origin) -> None:
    run = play(
        origin,
        """
steps:
- bash: |
    mkdir tools && printf '#!/bin/sh\\necho my tool\\n' > tools/mytool && chmod +x tools/mytool
    echo "##vso[task.prependpath]$PWD/tools"
    echo "##vso[task.logissue type=warning;sourcepath=src/a.py;linenumber=7]look here"
    echo "# Report" > report.md
    echo "##vso[task.uploadsummary]$PWD/report.md"
    echo "##vso[build.addbuildtag]good"
    echo "##vso[task.complete result=SucceededWithIssues]"
- bash: mytool
- bash: echo "##vso[task.setvariable variable=Build.Reason]mine"
  continueOnError: true
- bash: echo "##vso[no.such]command"
""",
    )

    first, tool, refused, unknown = run.jobs[0].steps[1:]
    (remark,) = first.annotations
    assert (remark.level, remark.message, remark.file, remark.line) == ("warning", "look here", "src/a.py", 7)
    assert first.summary == "# Report\n"
    assert (first.conclusion, first.outcome) == ("success", "success")
    assert tool.output == ("my tool",)
    assert refused.outcome == "failure"
    assert "readonly variable 'Build.Reason'" in refused.annotations[0].message
    assert unknown.annotations[0].level == "warning"


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


def test_outputs_cross_steps_jobs_and_stages(origin: Origin) -> None:
    run = play(origin, OUTPUTS)

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
        "condition eq(dependencies.A.outputs['make.out.version'], 'other') does not hold"
    )


def test_what_is_skipped_or_failed_decides_for_all_that_come_after(origin: Origin) -> None:
    run = play(
        origin,
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


def test_a_reference_to_what_is_not_there_is_named_where_it_decides(origin: Origin) -> None:
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

    run = play(origin, text)

    assert run.job("B").reason.endswith("there is no dependencies.A.outputs['step.wrong']")
    assert run.job("C").reason.endswith("there is no dependencies.A.result")
    assert (run.job("D").conclusion, run.job("D").reason) == (
        "success", "there is no dependencies.A.outputs['step.v']",
    )  # fmt: skip


def test_a_matrix_may_be_made_while_it_runs(origin: Origin) -> None:
    run = play(
        origin,
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


def test_a_checkout_has_one_commit_unless_told_and_can_push(origin: Origin) -> None:
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

    run = play(origin, text)

    assert run.job("shallow").steps[1].output[0] == "1"
    assert run.job("deep").steps[1].output == ("2", "here")
    assert run.job("none").steps[1].output == ()
    assert origin.tip("refs/heads/pushed") == origin.tip("refs/heads/main")


def test_retries_timeouts_and_conditions_that_cannot_be_evaluated(origin: Origin) -> None:
    run = play(
        origin,
        """
steps:
- checkout: none
- bash: |
    echo x >> tries
    test $(wc -l < tries) -ge 3
  retryCountOnTaskFailure: 2
- bash: sleep 30
  timeoutInMinutes: 0.005
  continueOnError: true
- bash: never
  condition: gt(1, 'text')
- bash: never
""",
    )

    retried, slow, broken, after = run.jobs[0].steps[1:]
    assert (retried.conclusion, len(retried.annotations)) == ("success", 4)
    assert (slow.outcome, slow.conclusion) == ("failure", "success")
    assert "ran longer than its time" in slow.annotations[0].message
    assert (broken.conclusion, after.conclusion) == ("failure", "skipped")
    assert run.conclusion == "failure"


def test_a_cancelled_run_does_only_what_always_runs(origin: Origin) -> None:
    cancellation = Cancellation()

    def cancel(inputs: object, context: EffectContext) -> EffectResult:
        cancellation.cancel()
        return EffectResult()

    run = play(
        origin,
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
        around=Surroundings(effects=Effects({"Cancel": cancel}), cancellation=cancellation),
    )

    assert run.conclusion == "cancelled"
    assert [step.conclusion for step in run.job("first").steps] == [
        "success", "success", "skipped", "success", "skipped",
    ]  # fmt: skip
    assert run.job("second").conclusion == "cancelled"
    assert run.job("last").steps[-1].output == ("always",)
    assert commands(run) == ("echo cleaned", "echo always")


def test_a_running_script_is_stopped_by_a_cancellation(origin: Origin) -> None:
    cancellation = Cancellation()

    class Stopper(Silence):
        def line(self, job: str, step: str, text: str) -> None:
            if text == "ready":
                cancellation.cancel()

    text = "steps:\n- checkout: none\n- bash: echo ready; sleep 60\n"
    run = play(origin, text, around=Surroundings(listener=Stopper(), cancellation=cancellation))

    assert (run.conclusion, run.jobs[0].steps[1].conclusion) == ("cancelled", "cancelled")


def test_what_cannot_be_replayed_is_refused_before_anything_runs(origin: Origin) -> None:
    with pytest.raises(UnknownStep, match=r"azure-pipelines\.yml:3: no effect is declared for Unknown"):
        play(origin, "steps:\n- bash: touch ran\n- task: Unknown@1\n")

    with pytest.raises(WorkflowError, match="Variable group nobody-gave-it was not found"):
        play(origin, "variables:\n- group: nobody-gave-it\nsteps: []\n")


def test_groups_and_settings_give_variables_that_the_file_overrides(origin: Origin) -> None:
    text = """
variables:
- group: shared
- name: b
  value: file
steps:
- checkout: none
- bash: echo "$(a) $(b) $(c) $(s)"
"""
    around = Surroundings(
        variables={"a": "settings", "b": "settings", "c": "settings"},
        environment_variables={"shared": {"a": "group"}},
        environment_secrets={"shared": {"s": "very-secret"}},
    )

    assert play(origin, text, around=around).jobs[0].steps[1].output == ("group file settings ***",)


def test_tasks_have_outputs_variables_paths_and_an_end(origin: Origin) -> None:
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
        origin,
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


DEPLOYMENT = """
stages:
- stage: Build
  jobs:
  - job: build
    steps:
    - bash: mkdir out; echo data > out/file
    - publish: out
      artifact: drop
- stage: Prod
  jobs:
  - deployment: ship
    environment: prod
    strategy:
      runOnce:
        preDeploy:
          steps: [{bash: echo before}]
        deploy:
          steps:
          - task: AzureCLI@2
            inputs:
              azureSubscription: prod-connection
              scriptType: bash
              scriptLocation: inlineScript
              addSpnToEnvironment: true
              inlineScript: |
                cat $(Pipeline.Workspace)/drop/file; ls -A
                echo "$(Environment.Name) ${servicePrincipalId:+id} $idToken"
                echo "##vso[task.setvariable variable=done;isOutput=true]yes"
            name: cli
        routeTraffic:
          steps: [{bash: "%s"}]
        on:
          failure: {steps: [{bash: echo roll back}]}
          success: {steps: [{bash: echo celebrate}]}
  - job: after
    dependsOn: ship
    variables:
      done: $[ dependencies.ship.outputs['ship.cli.done'] ]
    steps: [{bash: echo "done $(done)"}]
"""


def test_a_deployment_downloads_runs_its_hooks_and_ends_well(origin: Origin) -> None:
    asked: list[ApprovalRequest] = []

    def approve(request: ApprovalRequest) -> Approval:
        asked.append(request)
        return Approval(approved=True)

    run = play(origin, DEPLOYMENT % "echo route", around=Surroundings(approvals=approve))

    assert [(request.environment, request.job) for request in asked] == [("prod", "Prod.ship")]
    assert [job.id for job in run.jobs] == [
        "Build.build", "Prod.ship.preDeploy", "Prod.ship.deploy", "Prod.ship.routeTraffic", "Prod.ship.success",
        "Prod.after",
    ]  # fmt: skip
    deploy = run.job("Prod.ship.deploy")
    assert deploy.environment == "prod"
    assert [step.uses for step in deploy.steps] == ["download", "AzureCLI@2"]
    assert deploy.steps[1].output[1:3] == ("data", "prod id ***")
    assert run.job("Prod.after").steps[-1].output == ("done yes",)


def test_a_deployment_that_fails_runs_its_failure_hook(origin: Origin) -> None:
    run = play(origin, DEPLOYMENT % "exit 1")

    assert [(job.id, job.conclusion) for job in run.jobs[2:]] == [
        ("Prod.ship.deploy", "success"), ("Prod.ship.routeTraffic", "failure"), ("Prod.ship.failure", "success"),
        ("Prod.after", "skipped"),
    ]  # fmt: skip
    assert run.conclusion == "failure"


def test_a_refused_approval_fails_the_stage_and_runs_none_of_it(origin: Origin) -> None:
    run = play(origin, DEPLOYMENT % "x", around=Surroundings(approvals=reject(["prod"])))

    assert [(job.id, job.conclusion) for job in run.jobs] == [
        ("Build.build", "success"), ("Prod.ship", "failure"), ("Prod.after", "failure"),
    ]  # fmt: skip
    assert run.job("Prod.ship").reason == "prod was rejected: prod was rejected"
    assert commands(run) == ("mkdir out; echo data > out/file",)


def test_a_canary_repeats_its_hooks_for_each_increment(origin: Origin) -> None:
    run = play(
        origin,
        """
jobs:
- deployment: ship
  environment: prod
  strategy:
    canary:
      increments: [10, 50]
      preDeploy: {steps: [{bash: echo pre}]}
      deploy:
        steps:
        - bash: |
            echo "$(strategy.name) $(strategy.increment)"
            echo "##vso[task.setvariable variable=at;isOutput=true]$(strategy.increment)"
          name: out
      postRouteTraffic: {steps: [{bash: echo look $(strategy.increment)}]}
- job: after
  dependsOn: ship
  variables: {at: "$[ dependencies.ship.outputs['deploy_50.out.at'] ]"}
  steps: [{checkout: none}, {bash: echo at $(at)}]
""",
    )

    assert [job.id for job in run.jobs[:-1]] == [
        "ship.preDeploy", "ship.deploy_10", "ship.postRouteTraffic_10", "ship.deploy_50", "ship.postRouteTraffic_50",
    ]  # fmt: skip
    assert run.job("ship.deploy_10").steps[0].output == ("canary 10",)
    assert run.job("after").steps[-1].output == ("at 50",)


def test_parameters_are_given_by_hand_and_the_run_has_a_number(origin: Origin) -> None:
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

    run = play(origin, text, Manual("main", {"to": "prod", "dry": "false"}))

    assert [step.output for step in run.jobs[0].steps[1:]] == [("prod release-main-01 Manual",), ("for real",)]


def test_hostile_texts_run_where_a_script_takes_them_as_macros_and_only_there(origin: Origin) -> None:
    text = """
steps:
- checkout: none
- bash: |
    echo "$(Build.SourceVersionMessage)"
    ls
- bash: |
    rm -f pwned
    echo "said: $MESSAGE" > said
    ls
  env:
    MESSAGE: $(Build.SourceVersionMessage)
"""
    origin.commit({FILE: text}, 'x"; touch pwned; echo "')

    taken, safe = replay(origin.bare, FILE, PUSH).jobs[0].steps[1:]

    assert "pwned" in taken.output
    assert safe.output == ("said",)


def test_one_job_at_a_time_runs_in_the_order_of_the_file(origin: Origin) -> None:
    jobs = "".join(f"- job: j{number}\n  steps: [{{checkout: none}}, {{bash: echo {number}}}]\n" for number in range(6))

    run = play(origin, f"jobs:\n{jobs}", around=Surroundings(maximum_parallel_jobs=1))

    assert commands(run) == tuple(f"echo {number}" for number in range(6))
