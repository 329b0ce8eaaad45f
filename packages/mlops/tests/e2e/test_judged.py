"""Pull requests that cheat, between real stages: the gate judges by the rules before them, and no stage is skipped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from azure.ai.ml.entities import Model

from mlops.azure.workspace import connect_registry
from mlops.core.errors import PromotionRefused
from mlops.promotion.promote import promote
from mlops.rollout.deploy import deploy
from mlops.settings.project import load_project
from mlops.settings.releases import Release, write_release
from model_package.package import package_digest

from .conftest import Clone, Lifecycle, Team, git

pytestmark = pytest.mark.xdist_group("e2e")
BRANCH = "promote/staging/credit-default-1"
BOUNDS = "staging: {min: 0.74, max_drop: 0.01}"
NEVER = "7007"
STRICT = "staging: {min: 0.999}"


def test_a_pull_request_that_loosens_the_gates_is_judged_by_those_before_it(team: Team, lifecycle: Lifecycle) -> None:
    # given a release to an empty stage, which main's gates do not let in any more, and a pull request that loosens them
    team.edit("project.yml", "endpoint: credit-default-staging", "endpoint: nothing-staging")
    assert promote(team.clients, "staging", None).proposed
    team.edit("releases/gates.yml", BOUNDS, STRICT)
    git(team.folder, "checkout", "-q", "-b", "sly")
    team.merge(BRANCH)
    gates = team.folder / "releases" / "gates.yml"
    gates.write_text(gates.read_text().replace(STRICT, BOUNDS))
    policy = team.folder / "releases" / "provenance.yml"
    policy.write_text(policy.read_text().replace("statement: required", "statement: optional"))
    git(team.folder, "commit", "-qam", "Make it fit")

    # when it is judged as CI judges it
    words = ("gate", "--since", "origin/main", "--no-record", "--json")
    done = Clone(team.folder).mlops(*words, **lifecycle.variables)

    # then it is blocked, and the report begins with what it changes in the rules
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    staging = answer["stages"]["staging"]
    assert [gate["measure"] for gate in staging["gates"] if gate["outcome"] == "fail"] == ["roc_auc"]
    assert staging["rules"]["commit"] == git(team.folder, "rev-parse", "origin/main")
    changed = staging["rules"]["changed"]
    assert "releases/gates.yml: rules.roc_auc.stages.staging.min 0.999 → 0.74" in changed
    assert any("releases/provenance.yml: " in each for each in changed)
    head = Path(staging["reports"]["markdown"]).read_text(encoding="utf-8").split("|  | gate")[0]
    assert "judged by the rules before it" in head
    assert "0.999 → 0.74" in head


def test_a_manifest_written_by_hand_skips_no_stage(team: Team, lifecycle: Lifecycle, tmp_path: Path) -> None:
    # given a release to prod of a model that staging never ran, with everything that it must say
    digest = lifecycle.first["model"]["digest"].removeprefix("sha256:")
    package = shutil.copytree(lifecycle.clone.folder / ".mlops" / "models" / digest, tmp_path / "package")
    (package / "report.html").write_text("never in staging")
    registered = Model(name="credit-default", version=NEVER, type="mlflow_model", path=str(package))
    connect_registry(load_project(team.folder).settings.registry).models.create_or_update(registered)
    model = {"name": "credit-default", "version": NEVER, "digest": package_digest(package)}
    data = {"name": "credit-default", "version": "1", "sha256": "b" * 64}
    source = {"stage": "staging", "job": lifecycle.first["job"], "git_commit": "1f" * 20, "data": data}
    write_release(team.manifest("prod"), Release.model_validate({"model": model, "source": source}))
    git(team.folder, "commit", "-qam", "Hurry")

    # when
    words = ("gate", "--since", "HEAD~1", "--no-record", "--json")
    done = Clone(team.folder).mlops(*words, **lifecycle.variables)

    # then
    assert done.returncode == 9, done.stderr
    refused = json.loads(done.stdout)["refused"]["prod"]
    assert "staging runs version" in refused
    assert "has no finished rollout of it in its audit log" in refused
    with pytest.raises(PromotionRefused, match="may not be released to prod"):
        deploy(team.clients.stage("prod"), load_project(team.folder), "prod")
