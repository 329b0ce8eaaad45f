"""Deployments: hooks, environments and approvals."""

from __future__ import annotations

from collections.abc import Callable

from workflow_replay.approvals import Approval, ApprovalRequest, approvals
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import Run, commands

FILE = "azure-pipelines.yml"
Replay = Callable[..., Run]


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
          success: {steps: [{bash: echo promoted}]}
  - job: after
    dependsOn: ship
    variables:
      done: $[ dependencies.ship.outputs['ship.cli.done'] ]
    steps: [{bash: echo "done $(done)"}]
"""


def test_a_deployment_downloads_artifacts_and_runs_its_hooks(replayed: Replay) -> None:
    asked: list[ApprovalRequest] = []

    def approve(request: ApprovalRequest) -> Approval:
        asked.append(request)
        return Approval(approved=True)

    run = replayed(DEPLOYMENT % "echo route", host=HostEnvironment(approvals=approve))

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


def test_a_deployment_that_fails_runs_its_failure_hook(replayed: Replay) -> None:
    run = replayed(DEPLOYMENT % "exit 1")

    assert [(job.id, job.conclusion) for job in run.jobs[2:]] == [
        ("Prod.ship.deploy", "success"), ("Prod.ship.routeTraffic", "failure"), ("Prod.ship.failure", "success"),
        ("Prod.after", "skipped"),
    ]  # fmt: skip
    assert run.conclusion == "failure"


def test_a_rejected_approval_fails_the_stage_and_runs_none_of_it(replayed: Replay) -> None:
    run = replayed(DEPLOYMENT % "x", host=HostEnvironment(approvals=approvals(reject=["prod"])))

    assert [(job.id, job.conclusion) for job in run.jobs] == [
        ("Build.build", "success"), ("Prod.ship", "failure"), ("Prod.after", "failure"),
    ]  # fmt: skip
    assert run.job("Prod.ship").reason == "prod was rejected"
    assert commands(run) == ("mkdir out; echo data > out/file",)


def test_a_canary_repeats_its_hooks_for_each_increment(replayed: Replay) -> None:
    run = replayed(
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


def test_a_manual_stage_waits_for_an_approval_and_a_rolling_deployment_has_one_target(replayed: Replay) -> None:
    asked: list[str] = []

    def approve(request: ApprovalRequest) -> Approval:
        asked.append(request.environment)
        return Approval(approved=True)

    run = replayed(
        """
stages:
- stage: Ship
  trigger: manual
  jobs:
  - deployment: go
    environment: {name: prod, resourceName: vm1, resourceType: virtualMachine}
    strategy:
      rolling:
        maxParallel: 1
        deploy:
          steps:
          - bash: echo "##vso[task.setvariable variable=v;isOutput=true]$(Environment.ResourceName)"
            name: out
  - job: after
    dependsOn: go
    variables: {v: "$[ dependencies.go.outputs['deploy_vm1.out.v'] ]"}
    steps: [{checkout: none}, {bash: echo "$(v)"}]
""",
        host=HostEnvironment(approvals=approve),
    )

    assert asked == ["prod", "Ship"]
    assert run.job("Ship.after").steps[1].output == ("vm1",)
