"""Reusable workflows: inputs, secrets, outputs, permissions, and invalid calls."""

import pytest

from workflow_replay.errors import WorkflowError

from .conftest import Replay


def test_a_called_workflow_gets_inputs_and_secrets_and_returns_outputs(replayed: Replay) -> None:
    called = """
on:
  workflow_call:
    inputs: {stage: {type: string, required: true}, dry: {type: boolean, default: false}}
    secrets: {KEY: {required: true}}
    outputs: {version: {value: "${{ jobs.inner.outputs.v }}"}}
env: {FROM: called}
jobs:
  inner:
    runs-on: x
    outputs: {v: "${{ steps.a.outputs.v }}"}
    steps:
      - id: a
        run: |
          echo "$FROM ${CALLER-none} ${{ inputs.stage }} ${{ inputs.dry }} ${{ github.workflow }} ${{ secrets.OTHER }}."
          test "$KEY" = word && echo "v=7" >> $GITHUB_OUTPUT
        env: {KEY: "${{ secrets.KEY }}"}
"""
    run = replayed(
        """
name: Caller
env: {CALLER: caller}
jobs:
  first: {runs-on: x, steps: [{run: echo}]}
  call:
    needs: first
    strategy: {matrix: {stage: [dev]}}
    uses: ./.github/workflows/called.yml
    with: {stage: "${{ matrix.stage }}", dry: true}
    secrets: {KEY: "${{ secrets.MINE }}"}
  after: {needs: call, runs-on: x, steps: [{run: "echo ${{ needs.call.outputs.version }}"}]}
""",
        files={".github/workflows/called.yml": called},
        secrets={"MINE": "word", "OTHER": "other"},
    )

    assert run.conclusion == "success"
    assert [job.id for job in run.jobs] == ["first", "call (dev) / inner", "after"]
    assert run.job("call (dev) / inner").steps[0].output == ("called none dev true Caller .",)
    assert run.job("after").steps[0].output == ("7",)


@pytest.mark.parametrize(
    ("call", "called", "reason"),
    [
        ("{uses: ./.github/workflows/no.yml}", "", "does not exist"),
        ("{uses: ./.github/workflows/b.yml}", "on: push", "cannot be called"),
        (
            "{uses: ./.github/workflows/b.yml, permissions: {contents: read}}",
            "on: workflow_call\npermissions: {id-token: write}",
            "the nested job 'b' is requesting id-token: write, but is only allowed id-token: none",
        ),
    ],
    ids=["missing", "not for calls", "permissions"],
)
def test_calls_that_github_rejects_run_nothing(replayed: Replay, call: str, called: str, reason: str) -> None:
    files = {".github/workflows/b.yml": f"{called}\njobs: {{b: {{runs-on: x, steps: [{{run: echo}}]}}}}\n"}
    with pytest.raises(WorkflowError, match=reason):
        replayed(f"jobs:\n  a: {call}\n", files=files)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("{uses: ./.github/workflows/b.yml}", "requires the input 'stage'"),
        ("{uses: ./.github/workflows/b.yml, with: {stage: x, y: z}}", "no input 'y'"),
        ("{uses: ./.github/workflows/b.yml, with: {stage: x}}", "requires the secret 'KEY'"),
        ("{uses: ./.github/workflows/b.yml, with: {stage: x}, secrets: {KEY: a, B: b}}", "has no secret 'B'"),
    ],
    ids=["input", "unknown input", "secret", "unknown secret"],
)
def test_a_call_with_wrong_inputs_or_secrets_fails(replayed: Replay, call: str, reason: str) -> None:
    called = (
        "on: {workflow_call: {inputs: {stage: {type: string, required: true}}, secrets: {KEY: {required: true}}}}\n"
        "jobs: {b: {runs-on: x, steps: [{run: echo}]}}\n"
    )
    run = replayed(f"jobs:\n  a: {call}\n", files={".github/workflows/b.yml": called})

    assert run.conclusion == "failure"
    assert reason in run.jobs[0].reason
