"""Scripts and the logging commands in their output: variables, secrets, results, annotations, folders, timeouts."""

from __future__ import annotations

from collections.abc import Callable

from workflow_replay.azure import replay
from workflow_replay.events import Push
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import JobRun, Run, commands
from workflow_replay.testing import Origin

FILE = "azure-pipelines.yml"
Replay = Callable[..., Run]


def conclusions(job: JobRun) -> list[str]:
    return [step.conclusion for step in job.steps if step.uses != "checkout"]


def test_variables_reach_scripts_as_macros_and_environment_and_secrets_stay_hidden(replayed: Replay) -> None:
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

    run = replayed(text, host=HostEnvironment(secrets={"password": "tops3cret"}))

    first, second, third = run.jobs[0].steps[1:]
    assert first.output[0] == "hello world/hello world/d/$(undefined)"
    assert first.output[1] == "now=$(now)-unset"
    assert second.output == ("later later [unset] *** *** *** unset",)
    assert third.output == ("IndividualCI main azure-pipelines True Succeeded",)
    assert "hunter2" not in str(run)


def test_a_script_continues_after_a_failing_line_and_its_last_command_decides(replayed: Replay) -> None:
    run = replayed(
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


def test_logging_commands_set_results_issues_paths_summaries_and_tags(replayed: Replay) -> None:
    run = replayed(
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

    first, tool, rejected, unknown = run.jobs[0].steps[1:]
    (annotation,) = first.annotations
    assert (annotation.level, annotation.message, annotation.file, annotation.line) == (
        "warning",
        "look here",
        "src/a.py",
        7,
    )
    assert first.summary == "# Report\n"
    assert (first.conclusion, first.outcome) == ("success", "success")
    assert tool.output == ("my tool",)
    assert rejected.outcome == "failure"
    assert "readonly variable 'Build.Reason'" in rejected.annotations[0].message
    assert unknown.annotations[0].level == "warning"


def test_more_logging_commands_read_only_variables_and_counters(replayed: Replay) -> None:
    run = replayed(
        """
variables:
- {name: fixed, value: one, readonly: true}
- {name: number, value: "$[ counter('release', 100) ]"}
steps:
- checkout: none
- bash: |
    echo "##vso[task.setsecret]abc123"; echo "it is abc123"
    echo "##vso[build.updatebuildnumber]2.0"
    echo "##vso[task.setvariable variable=locked;isreadonly=true]first"
    echo text > note.md
    echo "##vso[artifact.upload artifactname=notes]$PWD/note.md"
    echo "##vso[task.addattachment type=Distributedtask.Core.Summary;name=n]$PWD/note.md"
- download: current
  artifact: notes
- bash: echo "$(Build.BuildNumber) $(number)"; cat $(Pipeline.Workspace)/notes/note.md
- bash: echo "##vso[task.setvariable variable=locked]second"
  continueOnError: true
- bash: echo "##vso[task.setvariable variable=fixed]two"
  continueOnError: true
- bash: echo "##vso[task.logissue]no type"
  continueOnError: true
- bash: echo "$(locked) $(fixed)"
""",
    )

    first, _, read, locked, fixed, untyped, kept = run.jobs[0].steps[1:]
    assert first.output == ("it is ***",)
    assert first.summary == "text\n"
    assert read.output == ("2.0 100", "text")
    assert [step.outcome for step in (locked, fixed, untyped)] == ["failure"] * 3
    assert kept.output == ("first one",)


def test_scripts_of_tasks_and_files_run_in_their_folders(replayed: Replay, origin: Origin) -> None:
    origin.commit({"tools/say.sh": 'echo "$1 from $(basename "$PWD")"\n'})
    run = replayed(
        """
steps:
- task: Bash@3
  inputs: {filePath: tools/say.sh, arguments: "'hello you'", workingDirectory: tools}
  continueOnError: true
- task: Bash@3
  inputs: {filePath: say.sh, arguments: "'hello you'", workingDirectory: tools}
- task: CmdLine@2
  inputs: {script: "echo cmd $(Agent.OS)"}
- script: echo never
  workingDirectory: nowhere
  continueOnError: true
- task: AzureCLI@2
  inputs: {azureSubscription: dev, scriptType: bash, scriptLocation: inlineScript}
""",
    )

    missing, script, line, nowhere, empty = run.jobs[0].steps[1:]
    assert missing.outcome == "failure"
    assert (script.output, script.script) == (("hello you from tools",), "say.sh 'hello you'")
    assert line.output == ("cmd Linux",)
    assert "Not found workingDirectory" in nowhere.annotations[0].message
    assert empty.annotations[0].message == "Input required: inlineScript"


def test_retries_timeouts_and_conditions_that_cannot_be_evaluated(replayed: Replay) -> None:
    run = replayed(
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
    assert "timed out" in slow.annotations[0].message
    assert (broken.conclusion, after.conclusion) == ("failure", "skipped")
    assert run.conclusion == "failure"


def test_injected_text_runs_only_where_a_script_uses_it_as_a_macro(origin: Origin) -> None:
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

    injected, safe = replay(origin.bare, FILE, Push("refs/heads/main")).jobs[0].steps[1:]

    assert "pwned" in injected.output
    assert safe.output == ("said",)
