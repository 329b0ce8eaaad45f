"""Jobs as GitHub runs them: order, conditions, matrices, environments, outputs, queues, cancellation."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from workflow_replay.approvals import reject, reject_all
from workflow_replay.errors import EventError, UnknownStep, WorkflowError
from workflow_replay.events import Manual, PullRequest, Push, Schedule
from workflow_replay.github import replay, replay_all
from workflow_replay.progress import Silence
from workflow_replay.record import Run, StepRun, commands
from workflow_replay.stopping import Cancellation
from workflow_replay.surroundings import Surroundings
from workflow_replay.testing import Origin

FILE = ".github/workflows/ci.yml"
MAIN = Push("refs/heads/main")
Replay = Callable[..., Run]


@pytest.fixture
def replayed(origin: Origin) -> Replay:
    """Replay a workflow, `on` any event, beside other files."""

    def run(text: str, event: Any = MAIN, files: dict[str, str] | None = None, **surroundings: Any) -> Run:
        head = "" if text.startswith(("on:", "\non:")) else "on: [push, pull_request]\n"
        origin.commit({FILE: head + text, **(files or {})})
        return replay(origin.bare, FILE, event, Surroundings(**surroundings))

    return run


def results(run: Run) -> dict[str, str]:
    return {job.id: job.conclusion for job in run.jobs}


def test_jobs_run_in_the_order_of_their_needs_and_hand_outputs_on(replayed: Replay) -> None:
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


def test_after_a_failure_only_those_run_that_ask_for_it(replayed: Replay) -> None:
    run = replayed("""
jobs:
  fails: {runs-on: x, steps: [{run: exit 3}]}
  skipped: {runs-on: x, needs: fails, steps: [{run: echo}]}
  # A job that is skipped further up keeps those below from succeeding, too.
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
    assert results(run) == {
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
    assert run.job("skipped").reason == "a job that it needs did not succeed"
    assert run.job("off").reason == "if: false"


def test_a_matrix_made_of_an_output(replayed: Replay) -> None:
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
def test_one_failure_in_a_matrix_stops_the_others_unless_told_not_to(
    replayed: Replay, fail_fast: str, others: str
) -> None:
    run = replayed(f"""
jobs:
  go:
    strategy: {{fail-fast: {fail_fast}, max-parallel: 1, matrix: {{n: [1, 2]}}}}
    runs-on: x
    steps: [{{run: "exit ${{{{ matrix.n == 1 && 1 || 0 }}}}"}}]
  after: {{needs: go, if: always(), runs-on: x, steps: [{{run: "echo ${{{{ needs.go.result }}}}"}}]}}
""")

    assert results(run) == {"go (1)": "failure", "go (2)": others, "after": "success"}
    assert run.job("after").steps[0].output == ("failure",)


def test_an_environment_has_variables_and_secrets_of_its_own_behind_an_approval(replayed: Replay) -> None:
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
    rejected = replayed(text, Manual("refs/heads/main"), approvals=reject(["prod"]), **values)

    assert run.job("plan").steps[0].output == ("all .",)
    assert run.job("go").environment == "prod"
    assert run.job("go").steps[0].output == ("prod ***",)
    assert results(rejected) == {"plan": "success", "go": "failure"}
    assert rejected.job("go").steps == ()
    assert rejected.job("go").reason == "prod was rejected"


def test_a_called_workflow_gets_inputs_and_secrets_and_gives_outputs(replayed: Replay) -> None:
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
        ("{uses: ./.github/workflows/no.yml}", "", "there is no workflow"),
        ("{uses: ./.github/workflows/b.yml}", "on: push", "cannot be called"),
        ("{uses: octo/other/.github/workflows/b.yml@v1}", "on: workflow_call", "another repository"),
        (
            "{uses: ./.github/workflows/b.yml, permissions: {contents: read}}",
            "on: workflow_call\npermissions: {id-token: write}",
            "the nested job 'b' is requesting id-token: write, but is only allowed id-token: none",
        ),
    ],
    ids=["missing", "not for calls", "elsewhere", "permissions"],
)
def test_a_call_that_github_refuses_runs_nothing(replayed: Replay, call: str, called: str, reason: str) -> None:
    files = {".github/workflows/b.yml": f"{called}\njobs: {{b: {{runs-on: x, steps: [{{run: echo}}]}}}}\n"}
    with pytest.raises((WorkflowError, UnknownStep), match=reason):
        replayed(f"jobs:\n  a: {call}\n", files=files)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("{uses: ./.github/workflows/b.yml}", "needs the input 'stage'"),
        ("{uses: ./.github/workflows/b.yml, with: {stage: x, y: z}}", "no input 'y'"),
        ("{uses: ./.github/workflows/b.yml, with: {stage: x}}", "needs the secret 'KEY'"),
        ("{uses: ./.github/workflows/b.yml, with: {stage: x}, secrets: {KEY: a, B: b}}", "takes no secret 'B'"),
    ],
    ids=["input", "unknown input", "secret", "unknown secret"],
)
def test_a_call_that_does_not_fit_fails(replayed: Replay, call: str, reason: str) -> None:
    called = (
        "on: {workflow_call: {inputs: {stage: {type: string, required: true}}, secrets: {KEY: {required: true}}}}\n"
        "jobs: {b: {runs-on: x, steps: [{run: echo}]}}\n"
    )
    run = replayed(f"jobs:\n  a: {call}\n", files={".github/workflows/b.yml": called})

    assert run.conclusion == "failure"
    assert reason in run.jobs[0].reason


def test_permissions_are_what_the_job_says_and_little_for_a_fork(replayed: Replay, origin: Origin) -> None:
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
        origin.bare, FILE, PullRequest("topic", "main", from_fork=True), Surroundings(secrets={"KEY": "word"})
    )

    assert [dict(job.permissions) for job in run.jobs] == [
        {"contents": "write"},
        {"contents": "read", "id-token": "write"},
        {},
    ]
    assert [dict(job.permissions) for job in fork.jobs] == [{"contents": "read"}, {"contents": "read"}, {}]
    assert run.job("own").steps[0].output == ("***.",)
    assert fork.job("own").steps[0].output == (".",)


def test_outputs_that_hold_a_secret_are_dropped_and_that_is_told(replayed: Replay) -> None:
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


def test_a_job_that_takes_too_long_is_cancelled(replayed: Replay) -> None:
    run = replayed("""
jobs:
  slow:
    runs-on: x
    timeout-minutes: 0.02
    steps:
      - run: sleep 60
      - run: echo never
      - if: always()
        run: echo last
  after: {needs: slow, runs-on: x, steps: [{run: echo}]}
""")

    assert results(run) == {"slow": "cancelled", "after": "skipped"}
    assert [step.conclusion for step in run.job("slow").steps] == ["cancelled", "skipped", "success"]
    assert "maximum execution time" in run.job("slow").reason


class _CancelsWhen(Silence):
    """Cancels when a step prints a line."""

    def __init__(self, cancellation: Cancellation, text: str) -> None:
        self._cancellation = cancellation
        self._text = text

    def line(self, job: str, step: str, text: str) -> None:
        if text == self._text:
            self._cancellation.cancel()


def test_a_cancelled_run_stops_between_steps_but_lets_clean(replayed: Replay) -> None:
    cancellation = Cancellation()
    run = replayed(
        """
jobs:
  one:
    runs-on: x
    steps:
      - run: "echo started; sleep 60"
      - run: echo never
      - if: cancelled()
        run: echo cancelled
      - if: failure()
        run: echo failed
  stays:
    runs-on: x
    if: always()
    steps: [{run: "sleep 0.5; echo done"}]
  next: {needs: one, runs-on: x, steps: [{run: echo}]}
  cleans: {needs: one, runs-on: x, if: always(), steps: [{run: "echo ${{ needs.one.result }}"}]}
""",
        cancellation=cancellation,
        listener=_CancelsWhen(cancellation, "started"),
    )

    assert [step.conclusion for step in run.job("one").steps] == ["cancelled", "skipped", "success", "skipped"]
    assert results(run) == {"one": "cancelled", "stays": "success", "next": "skipped", "cleans": "success"}
    assert run.job("cleans").steps[0].output == ("cancelled",)
    assert run.conclusion == "cancelled"


class _Gate(Silence):
    """Lets others go on when a job waits, and remembers what ran."""

    def __init__(self) -> None:
        self.waits = threading.Event()
        self.ended: list[str] = []

    def job_waits(self, job: str, reason: str) -> None:
        self.waits.set()

    def step_ended(self, job: str, step: StepRun) -> None:
        self.ended.append(step.name)


def test_runs_of_one_group_wait_for_each_other(origin: Origin) -> None:
    origin.commit({
        FILE: "on: [push]\nconcurrency: deploy\njobs:\n  a:\n    runs-on: x\n    steps:\n"
        '      - run: while [ ! -e "$FLAG" ]; do sleep 0.02; done\n'
    })  # fmt: skip
    flag = origin.work / "flag"
    first_seen, second_seen = _Gate(), _Gate()
    around = Surroundings(machine={**Surroundings().machine, "FLAG": str(flag)})
    runs: dict[str, Run] = {}

    def go(name: str, listener: _Gate) -> None:
        runs[name] = replay(origin.bare, FILE, MAIN, replace(around, listener=listener))

    first = threading.Thread(target=go, args=("first", first_seen))
    first.start()
    deadline = time.monotonic() + 30
    while not around.queues.is_taken("DEPLOY") and time.monotonic() < deadline:
        time.sleep(0.01)
    second = threading.Thread(target=go, args=("second", second_seen))
    second.start()
    assert second_seen.waits.wait(30)
    assert second_seen.ended == []
    flag.touch()
    first.join(30)
    second.join(30)

    assert {name: run.conclusion for name, run in runs.items()} == {"first": "success", "second": "success"}


def test_jobs_of_one_group_replace_who_waits_and_a_job_cannot_wait_for_its_own_run(replayed: Replay) -> None:
    own = replayed("concurrency: x\njobs:\n  a: {runs-on: x, concurrency: X, steps: [{run: echo}]}\n")
    matrix = replayed("""
jobs:
  a:
    strategy: {fail-fast: false, matrix: {n: [1, 2, 3, 4]}}
    concurrency: same
    runs-on: x
    steps: [{run: sleep 0.3}]
""")

    assert own.jobs[0].conclusion == "cancelled"
    assert "its own run holds" in own.jobs[0].reason
    # One works and one waits: whoever waited before the newest is gone. A trap for matrices.
    conclusions = [job.conclusion for job in matrix.jobs]
    assert conclusions.count("success") == 2
    assert conclusions.count("cancelled") == 2


def test_anything_that_goes_wrong_with_an_expression_of_a_job_fails_the_job(replayed: Replay) -> None:
    run = replayed("""
jobs:
  a: {runs-on: x, strategy: {matrix: {n: "${{ fromJSON('[') }}"}}, steps: [{run: echo}]}
  b: {runs-on: x, if: "fromJSON('') == 1", steps: [{run: echo}]}
  c: {runs-on: x, env: {A: "${{ fromJSON('x') }}"}, steps: [{run: echo}]}
  d: {runs-on: x, strategy: {matrix: {n: []}}, steps: [{run: echo}]}
""")

    assert set(results(run).values()) == {"failure"}
    assert [job.reason.split(":")[:2] for job in run.jobs] == [[FILE, "4"], [FILE, "5"], [FILE, "6"], [FILE, "7"]]


def test_all_workflows_that_an_event_starts(origin: Origin) -> None:
    job = "jobs: {a: {runs-on: x, steps: [{run: echo}]}}\n"
    origin.commit({
        ".github/workflows/a.yml": f"name: A\non: push\n{job}",
        ".github/workflows/b.yaml": f"name: B\non: pull_request\n{job}",
        ".github/workflows/c.yml": f"name: C\non: [push, workflow_call]\n{job}",
        ".github/workflows/notes.txt": "no workflow",
    })  # fmt: skip

    assert [run.name for run in replay_all(origin.bare, MAIN)] == ["A", "C"]


def test_an_event_that_does_not_start_it_says_why(replayed: Replay, origin: Origin) -> None:
    run = replayed("on: {push: {branches: [release]}}\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n")

    assert not run.triggered
    assert run.reason == "the branch main does not pass its filter"
    with pytest.raises(EventError, match=r"gone\.yml is not there"):
        replay(origin.bare, ".github/workflows/gone.yml", MAIN)


def test_nobody_is_let_in_by_whoever_rejects_all(replayed: Replay) -> None:
    run = replayed("jobs: {a: {runs-on: x, environment: dev, steps: [{run: echo}]}}\n", approvals=reject_all)

    assert run.jobs[0].reason == "nobody may enter dev"


def test_inputs_by_hand_are_typed_in_one_place_and_text_in_the_other(replayed: Replay) -> None:
    text = """
on:
  workflow_dispatch: {inputs: {dry: {type: boolean, default: true}, n: {type: number, default: 3}}}
  schedule: [{cron: "1 2 * * *"}, {cron: "3 4 * * *"}]
jobs:
  a:
    runs-on: x
    steps:
      - run: echo "${{ inputs.dry == true }} ${{ github.event.inputs.dry == 'true' }} ${{ inputs.n + 0 }}"
        if: github.event_name == 'workflow_dispatch' && false
      - run: echo "${{ inputs.dry == true }} ${{ github.event.inputs.dry == 'true' }} ${{ github.event.inputs.n }}"
      - run: echo "${{ github.event.schedule }}"
"""
    with pytest.raises(WorkflowError, match="unexpected symbol"):
        replayed(text, Manual("refs/heads/main"))

    run = replayed(text.replace(" ${{ inputs.n + 0 }}", ""), Manual("refs/heads/main"))
    scheduled = replayed(text.replace(" ${{ inputs.n + 0 }}", ""), Schedule())

    assert run.jobs[0].steps[1].output == ("true true 3",)
    assert scheduled.jobs[0].steps[1].output == ("false false ",)
    assert scheduled.jobs[0].steps[2].output == ("1 2 * * *",)
