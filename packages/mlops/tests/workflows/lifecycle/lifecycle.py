"""A release from a changed component to a rollback, for both CI systems, with what must hold after each step.

A component changes, training, dev, pull request, staging, soak, pull request, prod, a bad release, automatic rollback,
and the pull request that reverts the release in git.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from fake_git_host.state import PullRequest as Proposal

from mlops.demo.traffic import Callers
from mlops.settings.project import load_project
from mlops.settings.releases import manifest_path, parse_manifest
from mlops.settings.stages import StageName
from workflow_replay.events import Manual, Schedule
from workflow_replay.result import Run

from .environment import MAIN_REF, LifecycleEnvironment, failure_report
from .project_copy import ANOTHER_SEED, FEWER_TREES, ORDER, changed
from .traffic import traffic

WAIT: Final = "wait_hours: 24"
ALL_TRAFFIC: Final = 100
# A commit or HEAD^1 after --since, and the name of a training job.
REVISION: Final = re.compile(r"--since (HEAD\^1|[0-9a-f]{40})")
TRAINING_JOB: Final = re.compile(r"--job credit-default-[0-9a-f-]+")
PLAN: Final = ("plan --since REVISION",)
PLAN_AND_GATE: Final = (*PLAN, "gate --since REVISION --no-record")
PROMOTE_TO_PROD: Final = "promote --to prod --when-ready"


def training_commands(version: str) -> tuple[str, ...]:
    """The commands after a push that changes what a model is made of."""
    return (
        "train --submit --data-version",
        "train --job JOB",
        f"provenance --version {version} --out provenance",
        f"deploy --stage dev --version {version} --unless-superseded",
        "promote --to staging --when-ready",
    )


def release_commands(stage: str) -> tuple[str, ...]:
    """The commands after a release was merged."""
    return (*PLAN, f"deploy --stage {stage} --version --unless-superseded")


# Every call of `mlops` in order, except `mlops check`.
EXPECTED_COMMANDS: Final = (
    *(*PLAN, *training_commands("1")),
    *(*PLAN_AND_GATE, *release_commands("staging")),
    *(PROMOTE_TO_PROD, *PLAN, *PLAN, PROMOTE_TO_PROD),
    *(*PLAN_AND_GATE, *release_commands("prod")),
    *(*PLAN, *training_commands("2")),
    *(*PLAN_AND_GATE, *release_commands("staging"), PROMOTE_TO_PROD),
    *(*PLAN_AND_GATE, *release_commands("prod"), "revert --stage prod"),
    *(*PLAN_AND_GATE, *release_commands("prod")),
)  # fmt: skip


def run_lifecycle(environment: LifecycleEnvironment) -> None:
    """Run all steps in order."""
    change_a_component(environment)
    release_to_staging(environment)
    wait_for_the_soak(environment)
    release_to_prod(environment)
    train_a_model_that_fails_for_real_callers(environment)
    callers = roll_back_automatically(environment)
    revert_the_release(environment)

    assert callers.requests > 0
    assert callers.failures == {}
    assert commands(environment) == EXPECTED_COMMANDS


def change_a_component(environment: LifecycleEnvironment) -> None:
    """A change is reviewed and merged; training makes a model from it, which runs in dev."""
    change = environment.propose("fewer-trees", changed(environment.clone, FEWER_TREES), FEWER_TREES)
    _assert_success(environment.check(change))
    _assert_success(environment.accept(change))

    assert running_versions(environment) == {"dev": "1", "staging": None, "prod": None}
    assert environment.approved == (["dev"] * 3 + ["promotion"] if environment.system == "github" else ["dev"])


def release_to_staging(environment: LifecycleEnvironment) -> None:
    """The promotion that followed training passes the gate, is approved and merged, and is rolled out."""
    promotion = _open_pull_request(environment, "Promote credit-default 1 to staging")
    _assert_success(environment.check(promotion))
    assert "19 of 22 gates pass, 3 not measured" in promotion.body
    _assert_success(environment.accept(promotion))

    assert running_versions(environment)["staging"] == released_versions(environment)["staging"] == "1"
    assert environment.approved[-1] == "staging"


def wait_for_the_soak(environment: LifecycleEnvironment) -> None:
    """A scheduled run is too early; the team shortens the soak, which releases nothing; the next run promotes."""
    early = environment.replay("promote", Schedule())
    _assert_success([early])
    assert any("must run for 24 hours" in line for step in early.steps() for line in step.output)
    assert environment.git_host.open_pull_requests() == []

    environment.pull()
    text = (environment.clone / "releases/prod.yml").read_text()
    assert WAIT in text
    shorter = environment.propose("no-wait", {"releases/prod.yml": text.replace(WAIT, "wait_hours: 0")}, "Wait less")
    _assert_success(environment.check(shorter))
    _assert_success(environment.accept(shorter))

    assert running_versions(environment)["prod"] is None
    _assert_success([environment.replay("promote", Manual(MAIN_REF, {"stage": "prod"}))])


def release_to_prod(environment: LifecycleEnvironment) -> None:
    """The promotion to prod is approved, merged and rolled out."""
    promotion = _open_pull_request(environment, "Promote credit-default 1 to prod")
    _assert_success(environment.check(promotion))
    _assert_success(environment.accept(promotion))

    assert running_versions(environment)["prod"] == released_versions(environment)["prod"] == "1"
    assert environment.approved[-1] == "prod"


def train_a_model_that_fails_for_real_callers(environment: LifecycleEnvironment) -> None:
    """A second model, as good as the first, reaches staging; no gate or smoke test can see the scoring script's bug."""
    environment.pull()
    change = environment.propose("another-seed", changed(environment.clone, ANOTHER_SEED), ANOTHER_SEED)
    _assert_success(environment.check(change))
    _assert_success(environment.accept(change))
    promotion = _open_pull_request(environment, "Promote credit-default 2 to staging")
    _assert_success(environment.check(promotion))
    _assert_success(environment.accept(promotion))
    _assert_success([environment.replay("promote", Schedule())])

    assert running_versions(environment) == {"dev": "2", "staging": "2", "prod": "1"}


def roll_back_automatically(environment: LifecycleEnvironment) -> Callers:
    """The second model passes the gate for prod, fails for real callers, and is rolled back without a person."""
    promotion = _open_pull_request(environment, "Promote credit-default 2 to prod")
    _assert_success(environment.check(promotion))
    with traffic(load_project(environment.clone), "prod", environment.cloud) as callers:
        runs = environment.accept(promotion)

    (deploy,) = [run for run in runs if run.name == "deploy"]
    _assert_success([run for run in runs if run is not deploy])
    assert deploy.conclusion == "failure"
    failed = [step.name for step in deploy.steps() if step.outcome == "failure"]
    assert failed == ["Roll out"], failure_report(deploy)
    assert running_versions(environment)["prod"] == "1"
    assert released_versions(environment)["prod"] == "2"
    return callers


def revert_the_release(environment: LifecycleEnvironment) -> None:
    """The workflow's pull request that reverts the release is checked and merged; it shifts no traffic."""
    revert = _open_pull_request(environment, "Revert prod: credit-default 2 does not run there")
    _assert_success(environment.check(revert))
    before = audit_records(environment, "prod")
    _assert_success(environment.accept(revert))

    assert audit_records(environment, "prod")[len(before) :] == []
    expected = {"dev": "2", "staging": "2", "prod": "1"}
    assert running_versions(environment) == released_versions(environment) | {"dev": "2"} == expected
    assert environment.git_host.open_pull_requests() == []


def commands(environment: LifecycleEnvironment) -> tuple[str, ...]:
    """The calls of `mlops` by all jobs, with placeholders for revisions and names of training jobs."""
    calls = [" ".join(word for word in call.words if word) for call in environment.uv.calls]
    plain = (TRAINING_JOB.sub("--job JOB", REVISION.sub("--since REVISION", call)) for call in calls)
    return tuple(call for call in plain if call != "check")


def running_versions(environment: LifecycleEnvironment) -> dict[str, str | None]:
    """Per stage, the version that receives all traffic; None where nothing runs."""
    stages = json.loads(environment.mlops("status", "--json"))["stages"]
    return {name: _running_version(stages[name]) for name in ORDER.names}


def released_versions(environment: LifecycleEnvironment) -> dict[str, str | None]:
    """Per stage, the version in its manifest on main."""
    versions = {}
    for stage in ORDER.names:
        text = environment.git_host.bare.run("show", f"main:{manifest_path(stage)}")
        release = parse_manifest(text, stage).release
        versions[stage] = release.model.version if release else None
    return versions


def audit_records(environment: LifecycleEnvironment, stage: StageName) -> list[dict[str, Any]]:
    """The stage's audit log, which must be intact."""
    return json.loads(environment.mlops("history", "--stage", stage, "--json"))["stages"][stage]["records"]


def _running_version(status: dict[str, Any]) -> str | None:
    assert status["rollout"] is None
    assert not any(status["mirror"].values())
    running = [(each["model_version"], each["traffic"]) for each in status["deployments"] if each["traffic"]]
    assert len(running) <= 1
    assert all(share == ALL_TRAFFIC for _, share in running)
    return running[0][0] if running else None


def _open_pull_request(environment: LifecycleEnvironment, title: str) -> Proposal:
    """The only open pull request; a workflow must have opened it."""
    (proposal,) = environment.git_host.open_pull_requests()
    assert proposal.title == title
    assert proposal.author == "github-actions[bot]"
    return proposal


def _assert_success(runs: Sequence[Run]) -> None:
    assert runs
    for run in runs:
        assert run.conclusion == "success", failure_report(run)
