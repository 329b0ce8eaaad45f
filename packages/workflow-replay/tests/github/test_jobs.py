"""Jobs: order, conditions, matrices, environments, permissions, outputs."""

from typing import Any

import pytest

from workflow_replay.approvals import approvals
from workflow_replay.events import Manual, PullRequest
from workflow_replay.github import replay
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import commands
from workflow_replay.testing import Origin

from .conftest import FILE, Replay, conclusions


def test_jobs_run_in_the_order_of_their_needs_and_pass_outputs(replayed: Replay) -> None:
    run = replayed("""
jobs:
  last:
    needs: [first, middle]
    runs-on: ubuntu-latest
    steps:
      - run: echo ${{ needs.first.outputs.version }} ${{ needs.middle.result }} ${{ join(needs.*.result) }}
  middle:
    needs: first
    runs-on: ubuntu-latest
    steps: [{run: 'echo "middle ${{ needs.first.outputs.version }}"'}]
  first:
    runs-on: ubuntu-latest
    outputs: {version: "${{ steps.make.outputs.version }}"}
    steps:
      - id: make
        run: echo "version=12" >> "$GITHUB_OUTPUT"
""")

    assert run.conclusion == "success"
    assert commands(run)[:2] == ('echo "version=12" >> "$GITHUB_OUTPUT"', 'echo "middle 12"')
    assert run.job("last").steps[0].output == ("12 success success,success",)
    assert run.job("first").outputs == {"version": "12"}


def test_after_a_failure_only_jobs_with_a_matching_condition_run(replayed: Replay) -> None:
    run = replayed("""
jobs:
  fails: {runs-on: x, steps: [{run: exit 3}]}
  skipped: {runs-on: x, needs: fails, steps: [{run: echo}]}
  # A skipped ancestor also keeps a job from running.
  far: {runs-on: x, needs: skipped, if: always(), steps: [{run: echo}]}
  farther: {runs-on: x, needs: far, steps: [{run: echo}]}
  cleans: {runs-on: x, needs: [fails, skipped], if: failure(), steps: [{run: echo}]}
  careful: {runs-on: x, needs: fails, if: "!failure() && !cancelled()", steps: [{run: echo}]}
  always: {runs-on: x, needs: skipped, if: "${{ always() && needs.skipped.result == 'skipped' }}", steps: [{run: echo}]}
  tolerated: {runs-on: x, continue-on-error: true, steps: [{run: exit 1}]}
  after: {runs-on: x, needs: tolerated, steps: [{run: "echo ${{ needs.tolerated.result }}"}]}
  off: {runs-on: x, if: false, steps: [{run: echo}]}
""")

    assert run.conclusion == "failure"
    assert conclusions(run) == {
        "fails": "failure",
        "skipped": "skipped",
        "far": "success",
        "farther": "skipped",
        "cleans": "success",
        "careful": "skipped",
        "always": "success",
        "tolerated": "success",
        "after": "success",
        "off": "skipped",
    }
    assert run.job("tolerated").outcome == "failure"
    assert run.job("skipped").reason == "a required job did not succeed"
    assert run.job("off").reason == "if: false"


def test_a_matrix_may_come_from_an_output(replayed: Replay) -> None:
    run = replayed("""
jobs:
  plan:
    runs-on: x
    outputs: {stages: '${{ steps.p.outputs.stages }}'}
    steps: [{id: p, run: 'echo ''stages=["dev","prod"]'' >> $GITHUB_OUTPUT'}]
  go:
    needs: plan
    name: Deploy ${{ matrix.stage }}
    strategy: {max-parallel: 1, matrix: {stage: "${{ fromJSON(needs.plan.outputs.stages) }}", n: [1]}}
    runs-on: x
    outputs: {last: "${{ matrix.stage }}"}
    steps: [{run: "echo ${{ matrix.stage }} ${{ strategy.job-index }}/${{ strategy.job-total }}"}]
  after: {needs: go, runs-on: x, steps: [{run: "echo ${{ needs.go.outputs.last }}"}]}
""")

    assert [job.name for job in run.jobs] == ["plan", "Deploy dev", "Deploy prod", "after"]
    assert [job.id for job in run.jobs] == ["plan", "go (dev, 1)", "go (prod, 1)", "after"]
    assert commands(run)[1:] == ("echo dev 0/2", "echo prod 1/2", "echo prod")


@pytest.mark.parametrize(("fail_fast", "others"), [("true", "cancelled"), ("false", "success")])
def test_fail_fast_cancels_the_other_jobs_of_a_matrix(replayed: Replay, fail_fast: str, others: str) -> None:
    run = replayed(f"""
jobs:
  go:
    strategy: {{fail-fast: {fail_fast}, max-parallel: 1, matrix: {{n: [1, 2]}}}}
    runs-on: x
    steps: [{{run: "exit ${{{{ matrix.n == 1 && 1 || 0 }}}}"}}]
  after: {{needs: go, if: always(), runs-on: x, steps: [{{run: "echo ${{{{ needs.go.result }}}}"}}]}}
""")

    assert conclusions(run) == {"go (1)": "failure", "go (2)": others, "after": "success"}
    assert run.job("after").steps[0].output == ("failure",)


def test_an_environment_has_its_own_variables_and_secrets_and_requires_approval(replayed: Replay) -> None:
    text = """
on: workflow_dispatch
jobs:
  plan: {runs-on: x, steps: [{run: "echo ${{ vars.NAME }} ${{ secrets.KEY }}."}]}
  go:
    runs-on: x
    environment: {name: "${{ github.event.inputs.x || 'prod' }}", url: https://example.org}
    steps: [{run: "echo ${{ vars.NAME }} $KEY", env: {KEY: "${{ secrets.KEY }}"}}]
"""
    values: dict[str, Any] = {
        "variables": {"NAME": "all"},
        "environment_variables": {"prod": {"NAME": "prod"}},
        "environment_secrets": {"prod": {"KEY": "hidden-word"}},
    }

    run = replayed(text, Manual("refs/heads/main"), **values)
    rejected = replayed(text, Manual("refs/heads/main"), approvals=approvals(reject=["prod"]), **values)

    assert run.job("plan").steps[0].output == ("all .",)
    assert run.job("go").environment == "prod"
    assert run.job("go").steps[0].output == ("prod ***",)
    assert conclusions(rejected) == {"plan": "success", "go": "failure"}
    assert rejected.job("go").steps == ()
    assert rejected.job("go").reason == "prod was rejected"


def test_permissions_are_those_of_the_job_and_read_only_for_a_fork(replayed: Replay, origin: Origin) -> None:
    text = """
permissions: {contents: write}
jobs:
  inherits: {runs-on: x, steps: [{run: echo}]}
  own:
    runs-on: x
    permissions: {id-token: write, contents: read}
    steps: [{run: "echo $KEY.", env: {KEY: "${{ secrets.KEY }}"}}]
  none: {runs-on: x, permissions: {}, steps: [{run: echo}]}
"""
    run = replayed(text, secrets={"KEY": "word"})
    origin.commit({"x": "y"}, branch="topic")
    fork = replay(
        origin.bare, FILE, PullRequest("topic", "main", from_fork=True), HostEnvironment(secrets={"KEY": "word"})
    )

    assert [dict(job.permissions) for job in run.jobs] == [
        {"contents": "write"},
        {"contents": "read", "id-token": "write"},
        {},
    ]
    assert [dict(job.permissions) for job in fork.jobs] == [{"contents": "read"}, {"contents": "read"}, {}]
    assert run.job("own").steps[0].output == ("***.",)
    assert fork.job("own").steps[0].output == (".",)


def test_outputs_with_a_secret_are_dropped_with_a_warning(replayed: Replay) -> None:
    run = replayed(
        """
jobs:
  one:
    runs-on: x
    outputs: {open: "${{ steps.a.outputs.open }}", shut: "${{ steps.a.outputs.shut }}"}
    steps: [{id: a, run: 'echo "open=1" >> $GITHUB_OUTPUT; echo "shut=a-word" >> $GITHUB_OUTPUT'}]
  two: {needs: one, runs-on: x, steps: [{run: "echo ${{ needs.one.outputs.open }}${{ needs.one.outputs.shut }}"}]}
""",
        secrets={"KEY": "a-word"},
    )

    assert run.job("two").steps[0].output == ("1",)
    assert [annotation.message for annotation in run.annotations()] == [
        "Skip output 'shut' since it may contain secret."
    ]


def test_an_invalid_expression_of_a_job_fails_it(replayed: Replay) -> None:
    run = replayed("""
jobs:
  a: {runs-on: x, strategy: {matrix: {n: "${{ fromJSON('[') }}"}}, steps: [{run: echo}]}
  b: {runs-on: x, if: "fromJSON('') == 1", steps: [{run: echo}]}
  c: {runs-on: x, env: {A: "${{ fromJSON('x') }}"}, steps: [{run: echo}]}
  d: {runs-on: x, strategy: {matrix: {n: []}}, steps: [{run: echo}]}
""")

    assert set(conclusions(run).values()) == {"failure"}
    assert [job.reason.split(":")[:2] for job in run.jobs] == [[FILE, "4"], [FILE, "5"], [FILE, "6"], [FILE, "7"]]
