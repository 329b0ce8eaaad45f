"""Steps: shells, variables, file commands, workflow commands, conditions, composite actions."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from workflow_replay.events import PullRequest, Push
from workflow_replay.github import replay
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import JobRun, StepRun
from workflow_replay.testing import Origin

FILE = ".github/workflows/ci.yml"
Job = Callable[..., JobRun]


@pytest.fixture
def job(origin: Origin) -> Job:
    """Replay one job by the lines of its steps, with `head` above `jobs` and other `files`."""

    def run(steps: str, head: str = "", files: dict[str, str] | None = None, event: Any = None, **more: Any) -> JobRun:
        indented = "".join(f"      {line}\n" for line in steps.strip("\n").splitlines())
        text = f"on: [push, pull_request]\n{head}\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n{indented}"
        origin.commit({FILE: text, **(files or {})})
        return replay(origin.bare, FILE, event or Push("refs/heads/main"), HostEnvironment(**more)).jobs[0]

    return run


def outputs(job: JobRun) -> list[tuple[str, ...]]:
    return [step.output for step in job.steps]


def conclusions(job: JobRun) -> list[str]:
    return [step.conclusion for step in job.steps]


def test_the_shell_decides_what_counts_as_a_failure(job: Job) -> None:
    done = job("""
- run: false | true; echo unsaid
- run: false | true; echo never
  shell: bash
  continue-on-error: true
- run: "false; echo never"
  shell: sh
  continue-on-error: true
- run: print("python", 1 + 1)
  shell: python
- run: "'own $1'"
  shell: bash -c 'echo "$(cat {0})"' --
- run: echo
  shell: fish-without-place
""")

    assert conclusions(done) == ["success", "success", "success", "success", "success", "failure"]
    assert [step.outcome for step in done.steps[:3]] == ["success", "failure", "failure"]
    assert [step.exit_code for step in done.steps[:3]] == [0, 1, 1]
    assert done.steps[3].output == ("python 2",)
    assert "Invalid shell option" in done.steps[5].output[0]


def test_variables_have_layers_and_later_steps_see_exported_ones(job: Job) -> None:
    done = job(
        """
- run: echo "$A $B $C ${{ env.A }} ${{ env.C }}"
  env: {C: step, B: "${{ env.A }}-b"}
- run: |
    echo "A=exported" >> "$GITHUB_ENV"
    printf 'LONG<<END\\none\\nENDING=2\\nEND\\n' >> "$GITHUB_ENV"
    mkdir -p tools && printf '#!/bin/sh\\necho found' > tools/mine && chmod +x tools/mine
    echo "$PWD/tools" >> "$GITHUB_PATH"
    echo "$A"
- run: echo "$A ${{ env.A }} $LONG"; mine
- run: echo "$A"
  env: {A: own}
- run: echo "$GITHUB_ACTIONS $GITHUB_REF_NAME $GITHUB_REPOSITORY $RUNNER_OS ${{ runner.os }} $GITHUB_SHA" | cut -c1-60
- run: echo "${SECRET_OF_THE_TESTER-hidden}"
""",
        head="env: {A: top, B: top, GITHUB_REF_NAME: lies}",
    )

    assert outputs(done)[0] == ("top top-b step top step",)
    assert outputs(done)[1] == ("top",)
    assert outputs(done)[2] == ("exported exported one", "ENDING=2", "found")
    assert outputs(done)[3] == ("own",)
    assert outputs(done)[4][0].startswith("true main octo-org/octo-repo Linux Linux ")
    assert outputs(done)[5] == ("hidden",)


def test_outputs_and_summaries(job: Job) -> None:
    done = job("""
- id: make
  run: |
    echo "plain=a=b" >> "$GITHUB_OUTPUT"
    { echo "j<<EOF"; echo '{"a": [1, 2]}'; echo EOF; } >> "$GITHUB_OUTPUT"
    echo "::set-output name=old::10%25"
    echo "# Report" >> "$GITHUB_STEP_SUMMARY"
- run: echo "${{ steps.make.outputs.old }} ${{ steps.make.outputs.plain }} ${{ fromJSON(steps.make.outputs.j).a[1] }}"
- run: echo "${{ steps.make.outputs.missing }}|${{ steps.nobody.outputs.x }}|${{ steps.make.conclusion }}"
""")

    assert done.steps[0].outputs == {"old": "10%", "plain": "a=b", "j": '{"a": [1, 2]}'}
    assert done.steps[0].summary == "# Report\n"
    assert [annotation.level for annotation in done.steps[0].annotations] == ["warning"]
    assert outputs(done)[1:] == [("10% a=b 2",), ("||success",)]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo nonsense >> $GITHUB_OUTPUT", "Invalid format 'nonsense'"),
        ("echo 'a<<END' >> $GITHUB_OUTPUT", "Matching delimiter not found 'END'"),
        ("echo '=x' >> $GITHUB_ENV", "Name must not be empty"),
        ("echo 'NODE_OPTIONS=x' >> $GITHUB_ENV", "NODE_OPTIONS"),
        ("echo '::set-env name=A::b'", "`set-env` command is disabled"),
        ("cd gone", "exit code 1"),
    ],
)
def test_invalid_file_commands_fail_the_step(job: Job, script: str, reason: str) -> None:
    done = job(f"- run: {script}\n- run: echo never\n")

    assert conclusions(done) == ["failure", "skipped"]
    assert reason in done.steps[0].annotations[-1].message


def test_annotations_and_stopped_commands(job: Job) -> None:
    done = job("""
- run: |
    echo "::error file=src/a.py,line=3,title=Two%3A words::It broke%0Ahere"
    echo "::notice::plain"
    echo "::stop-commands::token"
    echo "::error::not meant"
    echo "::token::"
    echo "  ::warning ::meant"
    echo "no ::error::command"
""")
    annotations = [(one.level, one.message, one.title, one.file, one.line) for one in done.steps[0].annotations]

    assert annotations == [
        ("error", "It broke\nhere", "Two: words", "src/a.py", 3),
        ("notice", "plain", None, None, None),
        ("warning", "meant", None, None, None),
    ]


def test_secrets_are_masked_everywhere(job: Job) -> None:
    done = job(
        """
- id: a
  run: |
    echo "in a line: word-one and line-two"
    echo "::add-mask::made-here"
    echo "made-here later" | tee -a "$GITHUB_STEP_SUMMARY"
    echo "x=word-one" >> "$GITHUB_OUTPUT"
    echo "::warning::about word-one"
- run: test "${{ steps.a.outputs.x }}" = word-one && echo "still known"
- run: echo "${{ secrets.ONE }} ${{ github.token }}"
""",
        secrets={"ONE": "word-one", "TWO": "line-one\nline-two"},
    )

    assert outputs(done)[0][:3] == ("in a line: *** and ***", "::add-mask::***", "*** later")
    assert done.steps[0].summary == "*** later\n"
    assert done.steps[0].outputs == {"x": "***"}
    assert done.steps[0].annotations[0].message == "about ***"
    assert outputs(done)[1:] == [("still known",), ("*** ***",)]
    assert "word-one" not in repr(done)


def test_after_a_failure_only_steps_with_a_matching_condition_run(job: Job) -> None:
    done = job("""
- id: tolerated
  run: exit 1
  continue-on-error: true
- run: echo "${{ steps.tolerated.outcome }} ${{ steps.tolerated.conclusion }} ${{ job.status }}"
- id: breaks
  run: exit 2
- run: echo never
- if: failure() && steps.breaks.outcome == 'failure'
  run: echo "cleaning ${{ job.status }}"
- if: ${{ always() }}
  run: echo last
- if: success()
  run: echo never
- if: steps.breaks.conclusion == 'failure'
  run: echo never
""")

    assert done.conclusion == "failure"
    assert outputs(done)[1] == ("failure success success",)
    assert conclusions(done) == ["success", "success", "failure", "skipped", "success", "success", "skipped", "skipped"]
    assert outputs(done)[4] == ("cleaning failure",)
    assert done.steps[3].reason == "an earlier step did not succeed"


def test_a_step_times_out(job: Job) -> None:
    done = job("""
- run: sleep 60
  timeout-minutes: 0.005
- if: always()
  run: echo "${{ job.status }}"
""")

    assert conclusions(done) == ["failure", "success"]
    assert "has timed out after 0.005 minutes" in done.steps[0].annotations[-1].message
    assert outputs(done)[1] == ("failure",)


def test_defaults_and_working_directories(job: Job) -> None:
    done = job(
        """
- run: mkdir -p a/b
  working-directory: .
- run: basename "$PWD"; echo $0 | grep -c script
- run: basename "$PWD"
  working-directory: a/b
- run: echo
  working-directory: gone
""",
        head="defaults: {run: {working-directory: a, shell: 'bash {0}'}}",
    )

    assert outputs(done)[1] == ("a", "1")
    assert outputs(done)[2] == ("b",)
    assert "does not exist" in outputs(done)[3][0]


def test_injection_through_a_branch_name_fails_if_it_is_passed_as_a_variable(job: Job, origin: Origin) -> None:
    injection = "x$(touch${IFS}pwned);touch${IFS}owned"
    steps = """
- run: echo "$HEAD"; echo "$TITLE"; ls
  env: {HEAD: "${{ github.head_ref }}", TITLE: "${{ github.event.pull_request.title }}"}
- run: echo ${{ github.head_ref }}; ls
  continue-on-error: true
"""
    job(steps)
    origin.commit({}, branch=injection)
    origin.switch("main")

    done = job(steps, event=PullRequest(injection, "main", title="${{ github.token }}"))

    # As a variable it is data; inserted into the script it is code, here as on GitHub.
    assert outputs(done)[0] == (injection, "${{ github.token }}")
    assert {"pwned", "owned"} <= set(outputs(done)[1])


def test_hash_files(job: Job) -> None:
    done = job(
        """
- uses: actions/checkout@v6
- run: echo "${{ hashFiles('**/*.lock') }} ${{ hashFiles('gone') == '' }}"
- run: echo "${{ hashFiles('**/*.lock', '!b.lock') == hashFiles('a.lock', 'sub/**') }}"
""",
        files={"a.lock": "1", "b.lock": "2", "sub/c.lock": "3"},
    )

    each = (hashlib.sha256(text.encode()).digest() for text in ("1", "2", "3"))
    assert done.steps[1].output == (f"{hashlib.sha256(b''.join(each)).hexdigest()} true",)
    assert done.steps[2].output == ("true",)


ACTION = """
name: Greet
description: Greets
inputs:
  who: {required: true, description: Whom}
  how: {default: "Hello from ${{ github.ref_name }}", description: How}
outputs:
  said: {value: "${{ steps.say.outputs.said }}", description: What}
runs:
  using: composite
  steps:
    - id: say
      run: echo "said=${{ inputs.how }}, ${{ inputs.who }}" >> "$GITHUB_OUTPUT"; cat "$GITHUB_ACTION_PATH/words.txt"
      shell: bash
    - run: echo "$LEVEL ${{ env.LEVEL }}"; echo "FROM_ACTION=1" >> "$GITHUB_ENV"
      shell: bash
    - if: inputs.who == 'nobody'
      run: exit 1
      shell: bash
    - if: failure()
      run: echo "inside ${{ steps.say.conclusion }}"
      shell: bash
"""


def test_a_composite_action_has_inputs_outputs_and_steps_of_its_own(job: Job) -> None:
    done = job(
        """
- uses: actions/checkout@v6
- id: say
  uses: ./.github/actions/greet
  env: {LEVEL: step}
  with: {Who: "world ${{ github.event_name }}", typo: x}
- run: echo "${{ steps.say.outputs.said }} $FROM_ACTION"
""",
        files={".github/actions/greet/action.yml": ACTION, ".github/actions/greet/words.txt": "words\n"},
    )

    names = [step.name for step in done.steps]
    assert names[1] == "Run ./.github/actions/greet"
    assert all(name.startswith("Run ./.github/actions/greet / ") for name in names[2:6])
    assert [step.order for step in done.steps] == [0, 1, 2, 3, -1, -1, 4]
    assert done.steps[1].annotations[0].message.startswith("Unexpected input 'typo'")
    assert outputs(done)[2:4] == [("words",), ("step step",)]
    assert outputs(done)[6] == ("Hello from main, world push 1",)


def test_a_failure_within_an_action_fails_the_step_that_uses_it(job: Job) -> None:
    done = job(
        "- uses: actions/checkout@v6\n- uses: ./.github/actions/greet\n  with: {who: nobody}\n- run: echo never\n",
        files={".github/actions/greet/action.yml": ACTION, ".github/actions/greet/words.txt": ""},
    )
    inside: list[StepRun] = [step for step in done.steps if " / " in step.name]

    assert [step.conclusion for step in inside] == ["success", "success", "failure", "success"]
    assert inside[3].output == ("inside success",)
    assert conclusions(done)[1] == "failure"
    assert conclusions(done)[-1] == "skipped"


def test_a_local_action_requires_a_checkout(job: Job) -> None:
    done = job("- uses: ./.github/actions/greet\n", files={".github/actions/greet/action.yml": ACTION})

    assert "Did an earlier step run actions/checkout?" in done.steps[0].annotations[0].message


def test_an_invalid_expression_fails_its_step(job: Job) -> None:
    done = job("- run: echo ${{ fromJSON('{') }}\n- if: always() && fromJSON('')\n  run: echo\n")

    assert conclusions(done) == ["failure", "failure"]
    assert done.steps[0].annotations[0].message.startswith(f"{FILE}:7: fromJSON: invalid JSON")
