"""Reading workflows and actions; invalid ones are rejected with a line."""

import pytest

from workflow_replay.errors import WorkflowError
from workflow_replay.github.definition.loading import read_composite, read_workflow

HEAD = "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n"
STEP = "      - run: echo\n"


def test_a_workflow_with_every_key_is_read() -> None:
    workflow = read_workflow(
        """
name: Everything
run-name: by ${{ github.actor }}
on:
  push: {branches: [main, "releases/**"], tags-ignore: [v0*], paths: ["src/**"]}
  pull_request: {types: [opened, labeled]}
  workflow_dispatch:
    inputs:
      level: {type: choice, options: [low, high], default: low, description: How much}
      dry: {type: boolean, default: true}
  workflow_call:
    inputs: {stage: {type: string, required: true}}
    secrets: {KEY: {required: true}}
    outputs: {version: {value: "${{ jobs.one.outputs.v }}"}}
  schedule: [{cron: "30 5 * * 1,3"}]
  repository_dispatch: {types: [data-changed]}
  workflow_run: {workflows: [CI], types: [completed], branches: [main]}
  merge_group:
  release:
permissions: {contents: read, id-token: write}
env: &env {A: 1}
defaults: {run: {shell: bash, working-directory: src}}
concurrency: {group: "x-${{ github.ref }}", cancel-in-progress: true}
jobs:
  one:
    name: One of ${{ matrix.n }}
    if: github.ref == 'refs/heads/main'
    runs-on: [self-hosted, linux]
    environment: {name: prod, url: "${{ steps.a.outputs.url }}"}
    strategy: {fail-fast: false, max-parallel: 2, matrix: {n: [1, 2]}}
    outputs: {v: "${{ steps.a.outputs.v }}"}
    env: *env
    timeout-minutes: 5
    continue-on-error: ${{ matrix.n == 2 }}
    steps:
      - {id: a, name: First, if: always(), uses: actions/checkout@v6, with: {fetch-depth: 0}, timeout-minutes: 1}
      - {run: echo, shell: sh, working-directory: ., env: {B: "${{ secrets.X }}"}, continue-on-error: true}
  two:
    needs: one
    uses: ./.github/workflows/other.yml
    with: {stage: dev}
    secrets: inherit
""",
        "a.yml",
    )

    assert workflow.name == "Everything"
    assert workflow.triggers["push"].filters.branches == ("main", "releases/**")
    assert workflow.triggers["schedule"].crons == ("30 5 * * 1,3",)
    assert workflow.permissions is not None
    assert workflow.permissions["id-token"] == "write"
    assert workflow.permissions["issues"] == "none"
    assert workflow.jobs["two"].needs == ("one",)
    assert [step.line for step in workflow.jobs["one"].steps] == [36, 37]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("on: push\njob: {}\n", 2, "unknown key 'job'"),
        ("on: push\n", 1, "needs `jobs`"),
        ("jobs: {}\n", 1, "needs `on`"),
        ("on: push\njobs: {}\n", 2, "has no jobs"),
        ("on: pushed\njobs: {}\n", 1, "unknown event 'pushed'"),
        ("on:\n  push:\n    branch: main\njobs: {}\n", 3, "unknown key 'branch'"),
        ("on:\n  push:\n    branches: [main]\n    branches-ignore: [x]\njobs: {}\n", 4, "cannot be combined with"),
        ("on:\n  push:\n    paths: ['!docs/**']\njobs: {}\n", 3, "only ! patterns"),
        ("on:\n  pull_request:\n    types: [open]\njobs: {}\n", 3, "unknown type 'open'"),
        ("on:\n  schedule:\n    - cron: daily\njobs: {}\n", 3, "not a cron expression"),
        ("on:\n  workflow_dispatch:\n    inputs:\n      a: {type: choice}\njobs: {}\n", 4, "`options` and the type"),
        (
            "on:\n  workflow_dispatch:\n    inputs:\n      a: {type: boolean, default: 'yes'}\njobs: {}\n",
            4,
            "not a valid boolean",
        ),
        ("on:\n  workflow_call:\n    inputs:\n      a: {required: true}\njobs: {}\n", 4, "needs a type"),
        (HEAD, 5, "must be a list"),
        (HEAD + "      - echo\n", 6, "must be a mapping"),
        (HEAD + "      - name: x\n", 6, "either `run` or `uses`"),
        (HEAD + "      - run: x\n        uses: a/b@v1\n", 6, "either `run` or `uses`"),
        (HEAD + "      - run: x\n        with: {a: b}\n", 7, "is allowed only with `uses`"),
        (HEAD + "      - run: x\n        id: 1a\n", 7, "invalid step id"),
        (HEAD + "      - run: x\n        id: a\n      - run: x\n        id: A\n", 8, "duplicate step id"),
        (HEAD + "      - run: echo ${{ github.ref\n", 6, "not closed"),
        (HEAD + "      - run: |\n          echo\n          ${{ need.one.outputs.x }}\n", 6, "named-value 'need'"),
        (HEAD + "      - run: x\n        if: secrets.A != ''\n", 7, "named-value 'secrets'"),
        (HEAD + "      - run: x\n        env:\n          A: ${{ nope() }}\n", 8, "unrecognized function 'nope'"),
        (HEAD + STEP + "    if: always() && env.A\n", 7, "named-value 'env'"),
        (HEAD + STEP + "    if: hashFiles('x')\n", 7, "unrecognized function 'hashFiles'"),
        (HEAD + STEP + "    name: ${{ always() }}\n", 7, "unrecognized function 'always'"),
        (HEAD + STEP + "    needs: two\n", 3, "needs the unknown job 'two'"),
        (HEAD + STEP + "    needs: [one]\n", 3, "depends on itself"),
        (HEAD + STEP + "    permissions: {content: read}\n", 7, "unknown permission 'content'"),
        (HEAD + STEP + "    permissions: {contents: admin}\n", 7, "cannot be 'admin'"),
        (HEAD + STEP + "    permissions: {id-token: read}\n", 7, "cannot be 'read'"),
        (HEAD + STEP + "    concurrency: {cancel-in-progress: true}\n", 7, "needs a group"),
        (HEAD + STEP + "    timeout: 5\n", 7, "unknown key 'timeout'"),
        ("on: push\njobs:\n  one:\n    uses: ./x.yml\n    steps: []\n", 5, "unknown key 'steps'"),
        ("on: push\njobs:\n  one:\n    steps: []\n", 3, "needs `runs-on` and `steps`"),
        ("on: push\njobs:\n  '1': {}\n", 3, "invalid job id"),
        ("on: push\non: push\n", 2, "duplicate key"),
    ],
)
def test_invalid_workflows_are_rejected_with_a_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(WorkflowError, match=reason) as caught:
        read_workflow(text, "a.yml")

    assert (caught.value.file, caught.value.line) == ("a.yml", line)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: x\nruns: {using: composite, steps: [{run: x}]}\n", "needs `shell`"),
        ("name: x\nruns: {using: composite, steps: [{run: '${{ secrets.A }}', shell: sh}]}\n", "named-value 'secrets'"),
        ("name: x\nruns: {using: composite, steps: [{run: x, shell: sh, timeout-minutes: 1}]}\n", "unknown key"),
        ("name: x\noutputs: {a: {}}\nruns: {using: composite, steps: []}\n", "outputs.a needs a value"),
    ],
)
def test_invalid_actions_are_rejected(text: str, reason: str) -> None:
    with pytest.raises(WorkflowError, match=reason):
        read_composite(text, "action.yml")
