"""A fourth stage, added to a project that runs in three: the first model stays, the next takes all four, and goes back.

The stages have endpoints of their own here, so that what the lifecycle runs stays as it is for other tests.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model

from mlops.audit.log import AuditLog
from mlops.core.errors import ProjectError, PromotionRefused
from mlops.core.git import Repository
from mlops.endpoint.view import live_model
from mlops.models.registered import DIGEST_TAG
from mlops.promotion.promote import promote
from mlops.promotion.range_gate import gate_range
from mlops.promotion.readiness import not_yet
from mlops.promotion.release_changes import plan
from mlops.promotion.revert import revert
from mlops.promotion.stage_state import read_promotion
from mlops.rollout.deploy import deploy
from mlops.rollout.rollback import rollback
from mlops.settings.project import load_project
from mlops.settings.releases import Release, RolloutTiming, with_timing, write_release
from mlops.stages.change import add_stage
from model_package.package import package_digest

from .conftest import Lifecycle, Team, git

pytestmark = pytest.mark.xdist_group("e2e")
TIMING = RolloutTiming(
    soak_seconds=0.2, load_seconds=0.2, requests_per_second=10.0, p95_milliseconds=2_000.0, p99_milliseconds=5_000.0
)
NEXT = "4004"


@pytest.fixture
def three(team: Team) -> Team:
    """A team whose three stages run nothing yet, and roll out at once."""
    project = team.folder / "project.yml"
    project.write_text(project.read_text().replace("endpoint: credit-default-", "endpoint: four-"))
    for stage in ("dev", "staging", "prod"):
        team.manifest(stage).write_bytes(with_timing(team.manifest(stage).read_text(), stage, TIMING))
    push(team, "Endpoints of its own")
    return team


@pytest.fixture
def next_version(lifecycle: Lifecycle, client: MLClient, tmp_path: Path) -> Iterator[str]:
    """Another version of the model: as good as the first, in other bytes."""
    digest = lifecycle.first["model"]["digest"].removeprefix("sha256:")
    package = shutil.copytree(lifecycle.clone.folder / ".mlops" / "models" / digest, tmp_path / "package")
    (package / "report.html").write_text("another report")
    tags = {DIGEST_TAG: package_digest(package)}
    client.models.create_or_update(
        Model(name="credit-default", version=NEXT, type="mlflow_model", path=str(package), tags=tags)
    )
    yield NEXT
    client.models.archive("credit-default", NEXT)


def push(team: Team, message: str) -> None:
    git(team.folder, "add", "-A")
    git(team.folder, "commit", "-qm", message)
    git(team.folder, "push", "-q", "origin", "main")


def merge(team: Team, branch: str) -> None:
    """Judge a pull request as CI does, and merge it."""
    team.merge(branch)
    assert plan(Repository(team.folder), "HEAD^1").problems == ()
    assert gate_range(team.clients, "HEAD^1", record=False).exit_code == 0
    git(team.folder, "push", "-q", "origin", "main")


def release(team: Team, stage: str, version: str) -> None:
    """Bring a version to a stage: deployed where models are trained, promoted elsewhere."""
    if stage != "dev":
        proposal = promote(team.clients, stage, version).proposed
        assert proposal
        merge(team, proposal.branch)
    deploy(team.clients.stage(stage), load_project(team.folder), stage, version if stage == "dev" else None)


def running(team: Team) -> dict[str, str | None]:
    project = load_project(team.folder)
    live = {stage: live_model(team.clients.stage(stage), project.settings.stage(stage)) for stage in project.order}
    return {stage: each.version if each else None for stage, each in live.items()}


@pytest.mark.long
def test_a_fourth_stage_refuses_no_history_and_is_skipped_by_nothing(three: Team, next_version: str) -> None:
    # given version 1 in three stages
    for stage in ("dev", "staging", "prod"):
        release(three, stage, "1")

    # when a stage is added before prod
    add_stage(load_project(three.folder), "preprod", "staging")
    push(three, "Add preprod")

    # then nothing is to be rolled out, and prod can still be deployed from its release of before
    planned = plan(Repository(three.folder), "HEAD~1")
    assert (planned.problems, planned.changes) == ((), ())
    assert set(planned.outputs.values()) == {"false"}
    assert deploy(three.clients.stage("prod"), load_project(three.folder), "prod").actions == ()
    assert running(three) == {"dev": "1", "staging": "1", "preprod": None, "prod": "1"}

    # and prod accepts nothing while the previous stage is empty
    release(three, "dev", next_version)
    release(three, "staging", next_version)
    with pytest.raises(
        PromotionRefused, match="preprod runs no model yet, and prod accepts only a model that runs in preprod"
    ):
        promote(three.clients, "prod", None)
    waiting = not_yet(three.clients, read_promotion(three.clients, "prod"), datetime.now(UTC))
    assert waiting
    assert waiting.reason == "preprod runs no model yet"

    # when the next version takes all four
    release(three, "preprod", next_version)
    release(three, "prod", next_version)

    # then each says where it came from
    assert running(three) == dict.fromkeys(("dev", "staging", "preprod", "prod"), next_version)
    assert "stage: preprod" in three.manifest("prod").read_text()
    records, breaks = AuditLog(three.clients.stage("preprod")).read()
    assert breaks == ()
    assert {(record.event.kind, record.event.stage) for record in records} >= {("rollout", "preprod")}

    # when prod goes back to the release that came from staging
    rollback(three.clients.stage("prod"), load_project(three.folder), "prod", "too slow")
    proposal = revert(three.clients, "prod").proposed
    assert proposal
    merge(three, proposal.branch)

    # then git says again what it said before there was a preprod, and that holds
    assert running(three)["prod"] == "1"
    assert "stage: staging" in three.manifest("prod").read_text()
    assert deploy(three.clients.stage("prod"), load_project(three.folder), "prod").actions == ()


def test_a_release_that_skips_the_new_stage_is_neither_judged_nor_deployed(three: Team, lifecycle: Lifecycle) -> None:
    # given a release to prod that somebody wrote by hand, from staging, when preprod was there already
    add_stage(load_project(three.folder), "preprod", "staging")
    push(three, "Add preprod")
    model = lifecycle.first["model"] | {"name": "credit-default"}
    data = {"name": "credit-default", "version": "1", "sha256": "b" * 64}
    source = {"stage": "staging", "job": lifecycle.first["job"], "git_commit": "1f" * 20, "data": data}
    write_release(three.manifest("prod"), Release.model_validate({"model": model, "source": source}))
    push(three, "Skip preprod")

    # then the plan, the gate and the rollout say so, with the line
    (told,) = plan(Repository(three.folder), "HEAD~1").problems
    line = three.manifest("prod").read_text().splitlines().index("    stage: staging") + 1
    assert told.startswith(
        f"releases/prod.yml:{line}: release.source.stage: prod takes models from preprod, not staging"
    )
    with pytest.raises(ProjectError, match="cannot be read"):
        gate_range(three.clients, "HEAD~1", record=False)
    with pytest.raises(ProjectError) as refused:
        deploy(three.clients.stage("prod"), load_project(three.folder), "prod")
    assert "prod takes models from preprod" in " ".join(refused.value.details)
