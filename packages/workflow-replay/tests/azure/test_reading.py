"""Reading pipelines: the model of a file, and errors with file and line."""

from __future__ import annotations

import pytest

from workflow_replay.azure.pipeline.graph import job_dependencies, stage_dependencies
from workflow_replay.azure.pipeline.model import Filter, Group, Pipeline, PushTrigger, Schedule, Variable
from workflow_replay.azure.pipeline.reading import pipeline
from workflow_replay.azure.templates.expansion import expand
from workflow_replay.errors import WorkflowError

JOB = "jobs: [{job: J, steps: [{script: x}]}]"


def read(text: str) -> Pipeline:
    return pipeline(expand({"p.yml": text}.get, "p.yml", {}, {}), "p.yml")


def test_a_file_of_steps_is_one_job_in_one_stage() -> None:
    found = read("steps:\n- script: echo hi\n  displayName: Hi\n  timeoutInMinutes: 3\n  workingDirectory: sub\n")

    (stage,) = found.stages
    (job,) = stage.jobs
    (step,) = job.steps
    assert (stage.name, job.name) == ("__default", "Job")
    assert (step.kind, step.subject, step.display_name, step.timeout_minutes) == ("script", "echo hi", "Hi", 3.0)
    assert step.inputs == {"workingDirectory": "sub"}
    assert (step.location.file, step.location.line) == ("p.yml", 2)


def test_stages_depend_on_the_previous_one_by_default_and_jobs_on_none() -> None:
    found = read(
        f"stages:\n- stage: A\n  {JOB}\n- stage: B\n  {JOB}\n- stage: C\n  dependsOn: []\n  {JOB}\n"
        f"- stage: D\n  dependsOn: [a, C]\n  jobs: [{{job: X}}, {{job: Y, dependsOn: x}}]\n"
    )

    assert stage_dependencies(found.stages) == {"A": (), "B": ("A",), "C": (), "D": ("A", "C")}
    assert job_dependencies(found.stages[3]) == {"X": (), "Y": ("X",)}


def test_triggers_schedules_and_variables() -> None:
    found = read("""
trigger:
  batch: true
  branches: {include: [main, release/*], exclude: [release/old]}
  paths: {include: [src]}
pr: none
schedules:
- cron: '0 3 * * 1'
  branches: {include: [main]}
  always: true
variables:
- group: settings
- {name: a, value: b, readonly: true}
steps: [{script: x}]
""")

    branches = Filter(("main", "release/*"), ("release/old",))
    assert found.push == PushTrigger(branches, None, Filter(("src",)), batch=True)
    assert found.pull_request is None
    assert found.schedules == (Schedule("0 3 * * 1", Filter(("main",))),)
    group, variable = found.variables
    assert isinstance(group, Group)
    assert isinstance(variable, Variable)
    assert (group.name, variable.name, variable.value, variable.read_only) == ("settings", "a", "b", True)


def test_deployments_have_an_environment_and_hooks() -> None:
    found = read("""
jobs:
- deployment: go
  environment: prod.web
  strategy:
    canary:
      increments: [10, 20]
      deploy: {steps: [{script: d}]}
      on: {failure: {steps: [{script: f}]}}
""")

    (job,) = found.stages[0].jobs
    assert job.environment is not None
    assert (job.environment.name, job.environment.resource) == ("prod", "web")
    assert job.hooks is not None
    assert (job.hooks.strategy, job.hooks.increments) == ("canary", ("10", "20"))
    assert sorted(job.hooks.steps) == ["deploy", "failure"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trigger: none", ":1: A pipeline needs stages"),
        ("steps: [{script: x}]\njobs: []", "Unexpected value 'steps'"),
        ("steps:\n- script: x\n  displayname: y", ":3: Unexpected value 'displayname'"),
        ("steps:\n- scrpit: x", ":2: Unexpected value 'scrpit'"),
        ("steps:\n- task: NoVersion", ":2: The task 'NoVersion' has no version"),
        ("steps:\n- script: x\n  condition: success()", ":3: condition: Unrecognized value: 'success'"),
        ("steps:\n- script: x\n  condition: eq(dependencies.A.result, 'x')", "Unrecognized value: 'dependencies'"),
        ("steps:\n- script: x\n  timeoutInMinutes: soon", ":3: 'soon' is not a number"),
        ("steps:\n- script: x\n  continueOnError: yes", ":3: 'yes' is not a boolean"),
        ("steps:\n- script: [x]", "A sequence was not expected"),
        ("steps:\n- {script: x, name: a}\n- {script: y, name: A}", ":3: The step name A appears more than once"),
        (f"stages:\n- stage: A b\n  {JOB}", ":2: The stage name 'A b' is invalid"),
        (f"stages:\n- stage: A\n  {JOB}\n- stage: a\n  {JOB}", "appears more than once"),
        (f"stages:\n- stage: A\n  {JOB}\n  condition: dependencies.X", None),
        (f"stages:\n- stage: A\n  {JOB}\n  condition: parameters.X", ":4: condition: Unrecognized value: 'parameters'"),
        (
            f"stages:\n- stage: A\n  {JOB}\n- stage: B\n  dependsOn: Z\n  {JOB}",
            ":4: Stage B depends on unknown stage Z.",
        ),
        (f"stages:\n- stage: A\n  dependsOn: A\n  {JOB}", "must contain at least one stage with no dependencies"),
        (
            f"stages:\n- stage: A\n  {JOB}\n- stage: B\n  dependsOn: C\n  {JOB}\n- stage: C\n  {JOB}",
            "Stage B depends on stage C which creates a cycle",
        ),
        ("jobs:\n- job: A\n- job: B\n  dependsOn: Z", "Stage __default job B depends on unknown job Z."),
        (f"stages:\n- stage: A\n  {JOB}\n  lockBehavior: first", "a lock must be sequential or runLatest"),
        ("jobs:\n- job: A\n  strategy: {matrix: {'1a': {}}}", "The leg '1a' of a matrix is invalid"),
        ("jobs:\n- deployment: deploy\n  environment: e", "The word deploy is a keyword"),
        ("jobs:\n- deployment: go\n  strategy: {runOnce: {deploy: {steps: []}}}", "needs an environment"),
        ("jobs:\n- deployment: go\n  environment: e\n  strategy: {runOnce: {}}", "runOnce needs a `deploy`"),
        ("jobs:\n- deployment: go\n  environment: e\n  steps: []", "Unexpected value 'steps' in a deployment"),
        ("variables: {a: '$[ dependencies.A.result ]'}\nsteps: []", "Unrecognized value: 'dependencies'"),
        ("variables: {a: '$[ always() ]'}\nsteps: []", "Unrecognized value: 'always'"),
        ("schedules: [{cron: 0 0 * * *}]\nsteps: []", "A schedule needs `branches`"),
        ("trigger: {branch: [main]}\nsteps: []", "Unexpected value 'branch' in trigger"),
        ("trigger: main\nsteps: []", "trigger must be none, a list of branches, or a mapping"),
    ],
)
def test_invalid_pipelines_are_rejected(text: str, message: str | None) -> None:
    if message is None:
        read(text)
        return

    with pytest.raises(WorkflowError, match=message):
        read(text)
