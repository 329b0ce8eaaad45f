"""Plants mistakes into copies of the CI files, one at a time, and shows that a linter or a replay catches each.

`uv run python packages/mlops/tests/workflows/mistakes.py` prints the table and ends with 1 when a mistake lives. It is
no part of `pytest`, because a mistake costs seconds; CI runs it beside the tests. Needs Linux or macOS.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[4]
FOLDER: Final = "packages/mlops/tests/workflows"
COPIED: Final = (".github", ".azuredevops", "azure-pipelines.yml", ".ci", "tests/conftest.py", FOLDER, "pyproject.toml")
LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "node_modules", "story")
NODE_MODULES: Final = ".ci/linters/node_modules"
AT_ONCE: Final = 2
FAILED_TESTS: Final = 1
_REASON: Final = re.compile(r"^(?:E  +|(?=[.\w/-]+:\d+: ))(.*)", re.MULTILINE)
_REASON_WIDTH: Final = 110


@dataclass(frozen=True)
class Mistake:
    """One mistake: in a file, some text instead of other text; the test that fails for it, and what that then says."""

    mistake: str
    file: str
    old: str
    new: str
    test: str
    says: str

    @property
    def caught_by(self) -> str:
        """Who, in a few words."""
        return f"linter{self.says.rstrip()}".rstrip(":") if self.test == LINTERS else self.test.partition("::")[2]


LINTERS: Final = ".ci/linters/lint.py"


def linter(name: str) -> tuple[str, str]:
    """The linters, and the one that finds it."""
    return LINTERS, f": {name}: "


TRAINS: Final = "test_ways.py::test_training_goes_from_a_push_to_a_proposal"
DEPLOYS: Final = "test_ways.py::test_deploying_rolls_out_what_changed_in_order"
FAILS: Final = "test_ways.py::test_a_rollout_that_fails_is_told_to_git_and_stops_the_rest"
APPROVED: Final = "test_ways.py::test_nobody_enters_prod_without_an_approval"
JUDGED: Final = "test_ways.py::test_a_pull_request_that_releases_is_judged"
REFUSED: Final = "test_ways.py::test_a_release_that_is_not_judged_or_is_blocked_does_not_pass"
STARTS: Final = "test_ways.py::test_what_starts_a_way_reaches_its_command"
TOKENS: Final = "test_ways.py::test_tokens_of_the_forge_reach_only_the_commands_that_push"
STACKS: Final = "test_ways.py::test_infrastructure_is_brought_up_stack_by_stack"
NOTHING: Final = "test_ways.py::test_a_push_of_something_else_starts_nothing"
IDENTITIES: Final = "test_identities.py::test_every_command_logs_in_as_its_stage"
WATCHES: Final = "test_identities.py::test_who_watches_does_not_train"

GH: Final = ".github/workflows"
AZ: Final = ".azuredevops"

MISTAKES: Final[tuple[Mistake, ...]] = (
    Mistake(
        "dropped id-token: no login",
        f"{GH}/deploy-stage.yml",
        "      id-token: write # the login\n",
        "",
        f"{DEPLOYS}[github]",
        "needs `id-token: write`",
    ),
    Mistake(
        "dead rollback step: only after success",
        f"{GH}/deploy-stage.yml",
        "if: failure() && steps.rollout.outcome == 'failure'",
        "if: success() && steps.rollout.outcome == 'failure'",
        f"{FAILS}[github]",
        "revert --stage staging",
    ),
    Mistake(
        "dead rollback step: only after success",
        f"{AZ}/templates/deploy-stage.yml",
        "condition: failed()",
        "condition: succeeded()",
        f"{FAILS}[azure]",
        "revert --stage staging",
    ),
    Mistake(
        "a failed rollout that counts as success",
        f"{GH}/deploy-stage.yml",
        "        id: rollout\n",
        "        id: rollout\n        continue-on-error: true\n",
        f"{FAILS}[github]",
        "'success' == 'failure'",
    ),
    Mistake(
        "wrong environment: every stage with the rights of dev",
        f"{GH}/deploy-stage.yml",
        "environment: ${{ inputs.stage }}",
        "environment: dev",
        f"{IDENTITIES}[github]",
        "dev",
    ),
    Mistake(
        "wrong service connection: every stage with the rights of dev",
        f"{AZ}/templates/deploy-stage.yml",
        "connection: ${{ parameters.stage }}\n                    command: uv run mlops deploy",
        "connection: dev\n                    command: uv run mlops deploy",
        f"{IDENTITIES}[azure]",
        "dev",
    ),
    Mistake(
        "wrong environment: who watches prod also trains",
        f"{GH}/retrain.yml",
        "environment: retraining",
        "environment: promotion",
        f"{WATCHES}[github]",
        "promotion-id",
    ),
    Mistake(
        "wrong service connection: training with the rights of dev alone",
        f"{AZ}/templates/retrain-stage.yml",
        "connection: retraining",
        "connection: dev",
        f"{WATCHES}[azure]",
        "retrain",
    ),
    Mistake(
        "no environment: nobody is asked for prod",
        f"{AZ}/templates/deploy-stage.yml",
        "        environment: ${{ parameters.stage }}\n",
        "        environment: dev\n",
        f"{APPROVED}[azure]",
        "'success' != 'success'",
    ),
    Mistake(
        "unpinned action",
        f"{GH}/train.yml",
        "azure/login@f5d393ae46f8fde4be8b75f32e3fc50e654ad0ca # v3.0.1",
        "azure/login@v3",
        *linter("zizmor"),
    ),
    Mistake(
        "injection: the name of a branch in a script",
        f"{GH}/gate.yml",
        'uv run mlops plan --since "$SINCE"',
        'uv run mlops plan --since "${{ github.head_ref }}"',
        *linter("zizmor"),
    ),
    Mistake(
        "injection: the message of a commit in a script",
        f"{AZ}/deploy.yml",
        'uv run mlops plan --since "$SINCE"',
        'uv run mlops plan --since "$(Build.SourceVersionMessage)"',
        *linter("house rules"),
    ),
    Mistake(
        "injection: a value that the shell splits",
        f"{AZ}/train.yml",
        '--job "$JOB"',
        "--job $JOB",
        *linter("shellcheck"),
    ),
    Mistake(
        "wrong output reference: no version reaches the rollout",
        f"{GH}/train.yml",
        "version: ${{ needs.register.outputs.version }}",
        "version: ${{ needs.register.outputs.model_version }}",
        f"{TRAINS}[github]",
        "deploy --stage dev --version  --unless-superseded",
    ),
    Mistake(
        "wrong output reference: a stage that is never changed",
        f"{AZ}/deploy.yml",
        "'plan.plan.prod'",
        "'plan.prod'",
        f"{DEPLOYS}[azure]",
        "deploy --stage prod",
    ),
    Mistake(
        "trigger that never fires",
        f"{GH}/train.yml",
        '"components/**"',
        '"component/**"',
        f"{TRAINS}[github]",
        "none of the 1 changed files passes the filter of paths",
    ),
    Mistake(
        "trigger that never fires",
        f"{AZ}/deploy.yml",
        "include: [releases/*.yml]",
        "include: [release/*.yml]",
        f"{DEPLOYS}[azure]",
        "no changed file matches the trigger's paths",
    ),
    Mistake(
        "trigger that fires for too much",
        f"{GH}/deploy.yml",
        'paths: ["releases/*.yml"]',
        'paths: ["releases/**"]',
        f"{NOTHING}[deploy-releases/r/a.md-github]",
        "triggered=True",
    ),
    Mistake(
        "a stage out of order: prod does not wait for staging",
        f"{GH}/deploy.yml",
        "needs: [plan, dev, staging]",
        "needs: [plan, dev]",
        f"{FAILS}[github]",
        "deploy --stage prod",
    ),
    Mistake(
        "a stage out of order: prod does not wait for staging",
        f"{AZ}/deploy.yml",
        "dependsOn: [plan, dev, staging]",
        "dependsOn: [plan, dev]",
        f"{FAILS}[azure]",
        "deploy --stage prod",
    ),
    Mistake(
        "a rollout that differs between the systems",
        f"{AZ}/templates/deploy-stage.yml",
        ' --version "$VERSION" --unless-superseded',
        ' --version "$VERSION"',
        f"{DEPLOYS}[azure]",
        "--unless-superseded",
    ),
    Mistake(
        "a failed stage that lets the next one go on",
        f"{GH}/deploy.yml",
        "if: ${{ !failure() && !cancelled() && needs.plan.outputs.prod == 'true' }}",
        "if: ${{ always() && needs.plan.outputs.prod == 'true' }}",
        f"{FAILS}[github]",
        "deploy --stage prod",
    ),
    Mistake(
        "a check that passes because it was skipped",
        f"{GH}/gate.yml",
        "(needs.plan.outputs.releases == 'true' && needs.judge.result != 'success')",
        "needs.judge.result == 'failure'",
        f"{REFUSED}[fork-github]",
        "'success' == 'failure'",
    ),
    Mistake(
        "a fork that logs in",
        "azure-pipelines.yml",
        ", ne(variables['System.PullRequest.IsFork'], 'True'))",
        ")",
        f"{REFUSED}[fork-azure]",
        "'success' == 'failure'",
    ),
    Mistake(
        "the gate judges the wrong range",
        "azure-pipelines.yml",
        "                SINCE: HEAD^1\n",
        "                SINCE: HEAD\n",
        f"{JUDGED}[azure]",
        "gate --since HEAD --no-record",
    ),
    Mistake(
        "the forge's token for a job that needs none",
        f"{GH}/deploy.yml",
        "          SINCE: ${{ github.event.before || inputs.since }}\n",
        "          SINCE: ${{ github.event.before || inputs.since }}\n          GH_TOKEN: ${{ github.token }}\n",
        f"{TOKENS}[github]",
        "plan",
    ),
    Mistake(
        "an input that never arrives",
        f"{GH}/promote.yml",
        "stage: ${{ inputs.stage || 'prod' }}",
        "stage: prod",
        f"{STARTS}[by hand-github]",
        "promote --to prod",
    ),
    Mistake(
        "infrastructure in the wrong order",
        f"{AZ}/infra.yml",
        "      stack: staging\n      dependsOn: [changes, shared, dev]",
        "      stack: prod\n      dependsOn: [changes, shared, dev]",
        f"{STACKS}[azure]",
        "prod",
    ),
    Mistake(
        "a job that does not exist is waited for",
        f"{GH}/train.yml",
        "    needs: deploy\n",
        "    needs: deployed\n",
        f"{TRAINS}[github]",
        "deployed",
    ),
    Mistake(
        "a key that the service does not know",
        f"{AZ}/templates/deploy-stage.yml",
        "lockBehavior: sequential",
        "lockBehaviour: sequential",
        *linter("schema"),
    ),
    Mistake(
        "a failure that a script hides",
        "azure-pipelines.yml",
        "uv run lint-imports",
        "uv run lint-imports || true",
        *linter("house rules"),
    ),
)


@dataclass(frozen=True)
class Caught:
    """What became of a mistake: whether its test failed as said, and the line that says so."""

    mistake: Mistake
    is_caught: bool
    said: str


def main() -> int:
    """Plant every mistake; the exit code."""
    with tempfile.TemporaryDirectory(prefix="mistakes-") as place, ThreadPoolExecutor(AT_ONCE) as pool:
        whole = copy(Path(place) / "whole")
        for tests in ([LINTERS], sorted({mistake.test for mistake in MISTAKES} - {LINTERS})):
            healthy = run(whole, tests)
            if healthy.returncode:
                print(f"there are findings without a mistake:\n{healthy.stdout}{healthy.stderr}", file=sys.stderr)
                return 2
        found = list(pool.map(lambda numbered: plant(Path(place), *numbered), enumerate(MISTAKES, 1)))
    for number, each in enumerate(found, 1):
        mistake = each.mistake
        verdict = f"caught by {mistake.caught_by}" if each.is_caught else "LIVES"
        print(f"{number:2} {mistake.mistake} | {mistake.file} | {verdict} | {each.said}")
    lives = sum(not each.is_caught for each in found)
    print(f"{len(found)} mistakes, {len(found) - lives} caught")
    return 1 if lives else 0


def plant(place: Path, number: int, mistake: Mistake) -> Caught:
    """Put one mistake into a copy, and run its test."""
    root = copy(place / str(number))
    file = root / mistake.file
    text = file.read_text(encoding="utf-8")
    if mistake.old not in text:
        return Caught(mistake, is_caught=False, said=f"{mistake.file} has no {mistake.old!r} any more")
    file.write_text(text.replace(mistake.old, mistake.new), encoding="utf-8")
    done = run(root, [mistake.test])
    shutil.rmtree(root)
    lines = [line for line in _REASON.findall(done.stdout) if mistake.says in line]
    said = lines[0].strip()[:_REASON_WIDTH] if lines else done.stdout[-_REASON_WIDTH:]
    return Caught(mistake, is_caught=done.returncode == FAILED_TESTS and bool(lines), said=said)


def copy(root: Path) -> Path:
    """What the tests of the workflows read, and the tests."""
    for part in COPIED:
        source, target = ROOT / part, root / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=LEFT_OUT)
        else:
            shutil.copy(source, target)
    if (ROOT / NODE_MODULES).is_dir():
        (root / NODE_MODULES).symlink_to(ROOT / NODE_MODULES)
    return root


def run(root: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run some tests, or the linters, in a copy, in which nothing else is."""
    if list(tests) == [LINTERS]:
        command = [sys.executable, str(root / LINTERS), "--root", str(root)]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    named = [f"{FOLDER}/{test}" for test in tests]
    options = ("-n", "0", "-q", "-vv", "-p", "no:cacheprovider", "--override-ini", "pythonpath=")
    command = [sys.executable, "-m", "pytest", *options, *named]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
