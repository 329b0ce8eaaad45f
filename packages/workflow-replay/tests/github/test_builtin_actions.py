"""The effects of well-known actions, and that they fail where the real actions do."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from workflow_replay.effects import EffectContext, EffectFailed, EffectResult, Effects, no_op
from workflow_replay.events import Push
from workflow_replay.github import replay
from workflow_replay.github.builtin_actions.identity import azure_login, subject
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import JobRun, Run, limits, simulated
from workflow_replay.testing import Origin
from workflow_replay.tokens import TokenRequest

FILE = ".github/workflows/ci.yml"
Replay = Callable[..., Run]


@pytest.fixture
def replayed(origin: Origin) -> Replay:
    def run(jobs: str, files: Mapping[str, str] | None = None, **host: Any) -> Run:
        origin.commit({FILE: f"on: push\n{jobs}", **(files or {})})
        return replay(origin.bare, FILE, Push("refs/heads/main"), HostEnvironment(**host))

    return run


def one(permissions: str, *steps: str) -> str:
    lines = "\n".join(f"      - {step}" for step in steps)
    return f"jobs:\n  one:\n    runs-on: x\n    permissions: {permissions}\n    steps:\n{lines}\n"


def printed(job: JobRun) -> str:
    return "\n".join(line for step in job.steps for line in step.output)


def test_a_checkout_has_the_requested_depth(replayed: Replay, origin: Origin) -> None:
    origin.commit({"a": "1"})
    origin.tag("v1")
    origin.commit({"a": "2"}, branch="other")
    origin.switch("main")
    origin.commit({"a": "3"})
    run = replayed("""
env: {COUNT: "git rev-list --count HEAD; git branch --all | wc -l; git tag | wc -l; git branch --show-current"}
jobs:
  one:
    runs-on: x
    steps:
      - uses: actions/checkout@v6
      - run: eval "$COUNT"
  deep:
    runs-on: x
    steps:
      - {uses: actions/checkout@v6, with: {fetch-depth: 0}}
      - run: eval "$COUNT"
      - {uses: actions/checkout@v6, with: {ref: v1, path: sub}}
      - run: cat sub/a
  two:
    runs-on: x
    steps:
      - {uses: actions/checkout@v6, with: {fetch-depth: 2}}
      - run: eval "$COUNT"
      - run: git diff --name-only HEAD^ HEAD && git fetch -q origin other && git log -1 --format=%s FETCH_HEAD
""")

    assert run.job("one").steps[1].output == ("1", "2", "0", "main")
    assert run.job("deep").steps[1].output == ("3", "3", "1", "main")
    assert run.job("deep").steps[3].output == ("1",)
    assert run.job("two").steps[1].output == ("2", "2", "0", "main")
    assert run.job("two").steps[2].output == (FILE, "Change")


@pytest.mark.parametrize(
    ("permissions", "keeps", "variables", "pushed", "reason"),
    [
        ("{contents: write}", "true", "", True, ""),
        ("{contents: read}", "true", "", False, "lacks contents: write"),
        ("{contents: write}", "false", "", False, "could not read Username"),
        ("{contents: write}", "false", "GH_TOKEN: '${{ github.token }}'", False, "needs a credential helper"),
        ("{contents: write}", "false", "GH_TOKEN: '${{ github.token }}', HELPER: '!gh auth git-credential'", True, ""),
        ("{contents: read}", "false", "GH_TOKEN: '${{ github.token }}', HELPER: x", False, "lacks contents: write"),
    ],
    ids=["stored", "stored, read-only", "not stored", "token only", "token and helper", "helper, read-only"],
)
def test_a_push_requires_credentials_and_the_permission(
    replayed: Replay,
    origin: Origin,
    permissions: str,
    keeps: str,
    variables: str,
    pushed: bool,  # noqa: FBT001 - a table
    reason: str,
) -> None:
    run = replayed(f"""
jobs:
  one:
    runs-on: x
    permissions: {permissions}
    steps:
      - {{uses: actions/checkout@v6, with: {{persist-credentials: {keeps}}}}}
      - run: |
          test -z "$HELPER" || git config --global credential.$GITHUB_SERVER_URL.helper "$HELPER"
          git -c user.name=a -c user.email=b commit -q --allow-empty -m x
          git push -q origin HEAD:refs/heads/new
        env: {{A: b, {variables}}}
""")

    assert (run.conclusion == "success") is pushed
    assert reason in printed(run.job("one"))
    assert bool(origin.refs("refs/heads/new")) is pushed


def test_a_fresh_runner_has_no_git_identity_and_forgets_its_settings(replayed: Replay) -> None:
    run = replayed(
        "jobs:\n"
        "  one: {runs-on: x, steps: [{run: 'git config --global user.name Ada; git config --global user.name'}]}\n"
        "  two: {needs: one, runs-on: x, steps: [{run: 'git config --global user.name || echo nobody'}]}\n"
    )

    assert run.job("one").steps[0].output == ("Ada",)
    assert run.job("two").steps[0].output == ("nobody",)


def test_artifacts_are_real_files_for_other_jobs(replayed: Replay) -> None:
    run = replayed("""
jobs:
  make:
    runs-on: x
    steps:
      - run: mkdir -p out/deep && for name in out/a.txt out/deep/b.txt out/.hidden c.log; do echo x > $name; done
      - {uses: actions/upload-artifact@v7, with: {name: folder, path: out}}
      - {uses: actions/upload-artifact@v7, with: {name: some, path: "out/**/*.txt\\n!out/a.txt\\nc.log"}}
      - {uses: actions/upload-artifact@v7, with: {name: none, path: gone}}
  use:
    needs: make
    runs-on: x
    steps:
      - {uses: actions/download-artifact@v8, with: {name: folder, path: got}}
      - {uses: actions/download-artifact@v8, with: {path: all}}
      - run: find got all -type f | sort
      - {uses: actions/download-artifact@v8, with: {name: other}, continue-on-error: true}
      - {uses: actions/upload-artifact@v7, with: {name: folder, path: got}, continue-on-error: true}
      - {uses: actions/upload-artifact@v7, with: {name: n, path: gone, if-no-files-found: error}}
""")
    use = run.job("use")

    assert use.steps[2].output == (
        "all/folder/a.txt",
        "all/folder/deep/b.txt",
        "all/some/c.log",
        "all/some/out/deep/b.txt",
        "got/a.txt",
        "got/deep/b.txt",
    )
    assert [annotation.level for annotation in run.job("make").steps[3].annotations] == ["warning"]
    assert "Artifact not found for name: other; the artifacts are: folder, some" in use.steps[3].output[0]
    assert "already exists" in use.steps[4].output[0]
    assert "No files were found" in use.steps[5].output[0]


LOGIN = "{uses: azure/login@v3, with: {client-id: a, tenant-id: b, subscription-id: c}}"


@pytest.mark.parametrize(
    ("permissions", "step", "reason"),
    [
        ("{contents: read}", LOGIN, "needs `id-token: write` but has `id-token: none`"),
        ("{id-token: write}", "{uses: azure/login@v3, with: {client-id: a}}", "tenant-id, subscription-id"),
        ("{id-token: write}", "uses: actions/checkout@v6", "needs `contents: read`"),
        ("{id-token: write}", "{uses: actions/attest@v4, with: {subject-path: x}}", "needs `attestations: write`"),
        ("{contents: read}", "uses: actions/dependency-review-action@v4", "run on a pull request"),
        ("{contents: read}", "uses: github/codeql-action/upload-sarif@v4", "needs `security-events: write`"),
        ("{contents: read}", "{uses: pulumi/actions@v7, with: {command: up}}", "has no declared effect"),
        ("{contents: read}", "{uses: actions/cache@v5, with: {path: x}}", "not supplied: key"),
        ("{contents: read}", "{uses: actions/checkout@v6, with: {ref: gone}}", "could not be found"),
        ("{contents: read}", "{uses: actions/checkout@v6, with: {path: ../..}}", "is not under"),
    ],
    ids=lambda value: value[:40],
)
def test_actions_fail_where_the_real_ones_do(replayed: Replay, permissions: str, step: str, reason: str) -> None:
    run = replayed(one(permissions, step))

    assert run.conclusion == "failure"
    assert reason in printed(run.job("one"))


def test_a_login_provides_variables_to_trusted_jobs(replayed: Replay) -> None:
    def only_prod(inputs: Mapping[str, str], context: EffectContext) -> Mapping[str, str]:
        if subject(context) != "environment:prod":
            raise EffectFailed(f"{inputs['client-id']} trusts environment:prod, not {subject(context)}")
        return {"AZURE": "signed-in"}

    steps = f"steps: [{LOGIN}, {{run: 'echo ${{AZURE-nobody}}'}}]"
    run = replayed(
        f"permissions: {{id-token: write}}\njobs:\n  a: {{runs-on: x, environment: prod, {steps}}}\n"
        f"  b: {{runs-on: x, {steps}}}\n",
        effects=Effects({"Azure/Login": azure_login(only_prod)}),
    )

    assert run.job("a").steps[1].output == ("signed-in",)
    assert run.job("b").conclusion == "failure"
    assert "a trusts environment:prod, not ref:refs/heads/main" in printed(run.job("b"))


def test_an_attestation_has_the_digests_of_files(replayed: Replay) -> None:
    run = replayed(
        one(
            "{id-token: write, attestations: write}",
            "run: echo -n x > model.onnx",
            "{id: a, uses: actions/attest@v4, with: {subject-path: '*.onnx'}}",
            "run: cat ${{ steps.a.outputs.bundle-path }}",
        )
    )
    statement = json.loads(run.job("one").steps[2].output[0])

    assert statement["subject"][0]["name"] == "model.onnx"
    assert statement["subject"][0]["digest"]["sha256"].startswith("2d711642b726b04401627ca9fbac32f5")


def test_what_cannot_be_replayed_fails_the_step_or_job_that_needs_it(replayed: Replay) -> None:
    run = replayed(
        """
jobs:
  undeclared: {runs-on: x, steps: [{run: echo ran}, {uses: example/thing@v1}, {run: echo never}]}
  ignored: {runs-on: x, steps: [{uses: "docker://alpine:3", continue-on-error: true}, {run: echo on}]}
  local:
    {runs-on: x, permissions: {contents: read}, steps: [{uses: actions/checkout@v4}, {uses: ./.github/actions/mine}]}
  inside: {runs-on: x, container: "python:3.11", steps: [{run: echo}]}
  elsewhere: {uses: octo/other/.github/workflows/b.yml@v1}
  unreached: {if: false, runs-on: x, container: "python:3.11", steps: [{uses: example/other@v1}]}
""",
        files={".github/actions/mine/action.yml": "name: mine\nruns: {using: node24, main: a.js}\n"},
    )
    needed = {limit.name: limit.needs for limit in limits(run) if limit.needs}

    assert [job.id for job in run.jobs if job.conclusion == "failure"] == ["undeclared", "local", "inside", "elsewhere"]
    assert [step.conclusion for step in run.job("undeclared").steps] == ["success", "failure", "skipped"]
    assert run.job("ignored").steps[1].output == ("on",)
    assert [limit.location.rpartition("/")[2] for limit in limits(run)] == [
        *("ci.yml:4", "ci.yml:5", "action.yml:2", "ci.yml:8", "ci.yml:9"),
    ]
    assert needed == dict.fromkeys(("example/thing", "docker://alpine:3", "./.github/actions/mine"), "effect")


def test_a_local_action_may_have_a_declared_effect(replayed: Replay) -> None:
    run = replayed(
        one("{contents: read}", "uses: actions/checkout@v4", "uses: ./mine"),
        files={"mine/action.yml": "name: mine\nruns: {using: node24, main: a.js}\n"},
        effects=Effects({"./mine": no_op}),
    )

    assert (run.conclusion, limits(run)) == ("success", ())


def test_a_declared_effect_sets_outputs_variables_paths_masks_and_a_post_step(replayed: Replay) -> None:
    ended: list[str] = []

    def effect(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
        context.log(f"{context.job} {context.event} {inputs['a']}")
        tools = context.temporary / "mine"
        tools.mkdir()
        (tools / "tool").write_text("#!/bin/sh\necho tooled\n")
        (tools / "tool").chmod(0o700)
        return EffectResult(
            outputs={"o": "out"},
            variables={"V": "var"},
            paths=(str(tools),),
            masks=("hide-me",),
            post=lambda: ended.append("end"),
        )

    run = replayed(
        one(
            "{}",
            "{id: e, uses: some/thing/sub@v1, with: {a: '${{ github.ref_name }}'}}",
            "run: echo hide-me $V ${{ steps.e.outputs.o }}; tool",
        ),
        effects=Effects({"some/thing/sub": effect}),
    )
    job = run.job("one")

    assert job.steps[0].output == ("one push main",)
    assert job.steps[1].output == ("*** var out", "tooled")
    assert job.steps[2].name == "Post Run some/thing/sub@v1"
    assert ended == ["end"]
    assert simulated(run) == ("some/thing/sub",)


def test_the_caller_may_issue_the_tokens(replayed: Replay) -> None:
    asked: list[TokenRequest] = []

    def issue(request: TokenRequest) -> str:
        asked.append(request)
        return "issued-token"

    run = replayed(one("{issues: write}", "run: test ${{ secrets.GITHUB_TOKEN }} = issued-token"), tokens=issue)

    assert run.conclusion == "success"
    assert (asked[0].job, asked[0].scopes["issues"], asked[0].scopes["contents"]) == ("one", "write", "none")
