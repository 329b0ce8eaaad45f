"""Gates and promotions between real stages, in real git repositories; and their bad days."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model

from mlops.audit.log import AuditLog
from mlops.audit.record import FINISH, IMAGE
from mlops.azure.workspace import connect_registry
from mlops.core.environments import job_image
from mlops.core.errors import InputError, ProjectError, PromotionRefused, RolloutFailed, WorkspaceError
from mlops.core.layout import MONITOR_PIPELINE_FILE
from mlops.githost.interface import WORKSTATION
from mlops.promotion.gate_run import gate
from mlops.promotion.promote import PromotionResult, Proposed, promote
from mlops.promotion.stage_state import require_job_images
from mlops.provenance.statement import parse_statement
from mlops.rollout.deploy import deploy
from mlops.rollout.deployment_files import image_of
from mlops.rollout.release import require_image
from mlops.settings.project import load_project
from mlops.settings.releases import read_manifest

from .conftest import ROOT, Clone, Lifecycle, Team, git

pytestmark = pytest.mark.xdist_group("e2e")
BRANCH = "promote/staging/credit-default-1"


def proposed(team: Team) -> tuple[PromotionResult, Proposed]:
    result = promote(team.clients, "staging", None)
    assert result.proposed, result.report and result.report.headline
    return result, result.proposed


def test_promotion_is_a_branch_and_the_checkout_stays_as_it_is(team: Team, lifecycle: Lifecycle) -> None:
    # given an edit that is not committed
    (team.folder / "notes.txt").write_text("mine")
    before = (git(team.folder, "status", "--porcelain"), git(team.folder, "rev-parse", "HEAD"))

    # when
    result, proposal = proposed(team)

    # then
    assert (git(team.folder, "status", "--porcelain"), git(team.folder, "rev-parse", "HEAD")) == before
    changed = git(team.remote, "diff", "--name-only", "main", BRANCH).splitlines()
    folder = "releases/reports/staging-credit-default-1"
    assert {f"{folder}/report.md", f"{folder}/report.html", "releases/staging.yml"} < set(changed)
    assert all(name.startswith("releases/") for name in changed)
    assert result.release.model.digest == lifecycle.first["model"]["digest"]
    assert result.release.source.job == lifecycle.first["job"]
    assert "git merge --no-ff" in proposal.pull_request.advice


def test_promoting_twice_updates_the_same_branch_and_after_the_merge_does_nothing(team: Team) -> None:
    proposed(team)
    _, again = proposed(team)

    assert git(team.remote, "rev-list", "--count", f"main..{BRANCH}") == "1"
    assert git(team.remote, "rev-parse", BRANCH) == again.commit

    # when it is merged
    team.merge(BRANCH)
    git(team.folder, "push", "-q", "origin", "main")

    # then there is nothing left to propose
    assert promote(team.clients, "staging", None).report is None


def test_two_who_promote_at_once_make_one_branch(team: Team) -> None:
    teams = [team, team.colleague("other")]

    with ThreadPoolExecutor() as threads:
        results = list(threads.map(proposed, teams))

    commits = {proposal.commit for _, proposal in results}
    assert git(team.remote, "rev-parse", BRANCH) in commits
    assert git(team.remote, "rev-list", "--count", f"main..{BRANCH}") == "1"


def test_conflict_is_named_with_its_line_and_promoting_again_resolves_it(team: Team) -> None:
    # given a promotion, and a manifest that somebody changed meanwhile at the same place
    proposed(team)
    team.edit("releases/staging.yml", "release: null", "release: null # frozen until Monday")

    # when it is merged
    with pytest.raises(Exception, match="returned non-zero exit status"):
        team.merge(BRANCH)

    # then the conflict is told, and the promotion made again fits
    with pytest.raises(ProjectError, match=r"staging\.yml:\d+"):
        gate(team.clients, "staging", None)
    git(team.folder, "merge", "--abort")
    proposed(team)
    team.merge(BRANCH)
    assert read_manifest(team.manifest("staging")).release


def test_gate_passes_what_was_promoted_with_reports_and_a_record(team: Team, lifecycle: Lifecycle) -> None:
    # given
    proposed(team)
    team.merge(BRANCH)

    # when
    markdown, html = team.folder.parent / "gate.md", team.folder.parent / "gate.html"
    words = ("--stage", "staging", "--markdown", str(markdown), "--html", str(html))
    answer = Clone(team.folder).document("gate", *words, **lifecycle.variables)

    # then
    assert answer["promotes"] is True
    assert answer["champion"] is None
    assert markdown.read_text().startswith("## ✅ PASS")
    assert "<svg" in html.read_text()
    records, breaks = AuditLog(team.clients.stage("staging")).read()
    assert breaks == ()
    assert (records[-1].event.kind, records[-1].event.verdict) == ("gate", "passed")


def test_gate_blocks_a_manifest_with_another_digest(team: Team, lifecycle: Lifecycle) -> None:
    proposed(team)
    team.merge(BRANCH)
    manifest, digest = team.manifest("staging"), lifecycle.first["model"]["digest"]
    manifest.write_text(manifest.read_text().replace(digest, "sha256:" + "0" * 64))

    done = Clone(team.folder).mlops("gate", "--stage", "staging", "--json", **lifecycle.variables)

    assert done.returncode == 1, done.stderr
    blocking = {gate["measure"] for gate in json.loads(done.stdout)["gates"] if gate["outcome"] != "pass"}
    assert "digest_differences" in blocking
    records, _ = AuditLog(team.clients.stage("staging")).read()
    assert records[-1].event.verdict == "failed"


def test_manifest_that_names_a_version_that_does_not_exist_is_refused(team: Team) -> None:
    proposed(team)
    team.merge(BRANCH)
    manifest = team.manifest("staging")
    manifest.write_text(manifest.read_text().replace('version: "1"', 'version: "99"'))

    with pytest.raises(WorkspaceError, match="there is no version 99"):
        gate(team.clients, "staging", None)


def test_empty_manifest_and_unknown_base_are_told(team: Team) -> None:
    with pytest.raises(InputError, match="releases nothing"):
        gate(team.clients, "staging", None)
    proposed(team)
    team.merge(BRANCH)
    with pytest.raises(InputError, match="unknown revision 'no-such'"):
        gate(team.clients, "staging", "no-such")


def test_what_a_stage_would_not_accept_is_neither_proposed_nor_passed_nor_deployed(team: Team) -> None:
    # given a statement in a merged promotion, as dev's model has one
    proposed(team)
    team.merge(BRANCH)
    statement = team.folder / "releases" / "provenance" / "credit-default" / "1.json"
    assert parse_statement(statement.read_text(), "here").builder == WORKSTATION

    # when the policy is the one that is shipped, which wants CI for a builder
    git(team.folder, "reset", "-q", "--hard", "HEAD~1")
    shutil.copy(ROOT / "releases" / "provenance.yml", team.folder / "releases")
    git(team.folder, "commit", "-qam", "Require CI")
    git(team.folder, "push", "-q", "origin", "main")
    with pytest.raises(PromotionRefused, match="its provenance is not accepted") as refused:
        promote(team.clients, "staging", None)
    assert f"builder '{WORKSTATION}' is not one of" in " ".join(refused.value.details)

    # then the gate counts it, and nothing is deployed
    team.merge(BRANCH)
    report = gate(team.clients, "staging", None, record=False)
    assert {each.rule.measure for each in report.verdict.blocking} == {"provenance_gaps"}
    with pytest.raises(RolloutFailed, match="may not run in staging"):
        deploy(team.clients.stage("staging"), load_project(team.folder), "staging")
    statement.unlink()
    with pytest.raises(RolloutFailed, match="may not run in staging") as missing:
        deploy(team.clients.stage("staging"), load_project(team.folder), "staging")
    assert "there is no releases/provenance/credit-default/1.json" in missing.value.details


def test_promotion_that_skips_a_stage_is_refused(team: Team) -> None:
    # given a staging in which nothing runs
    team.edit("project.yml", "endpoint: credit-default-staging", "endpoint: nothing-staging")

    for version in (None, "1"):
        with pytest.raises(PromotionRefused, match="staging runs no model yet") as refused:
            promote(team.clients, "prod", version)
        assert "no stage can be skipped" in refused.value.advice
    assert git(team.remote, "branch", "--list", "promote/*") == ""


def test_version_that_does_not_run_is_refused(team: Team, client: MLClient, lifecycle: Lifecycle) -> None:
    # given a version that is registered, and not deployed
    path = f"azureml://jobs/{lifecycle.first['job']}/outputs/model_package"
    digest = {"digest": lifecycle.first["model"]["digest"]}
    client.models.create_or_update(
        Model(name="credit-default", version="77", type="mlflow_model", path=path, tags=digest)
    )
    try:
        with pytest.raises(PromotionRefused, match="version 77 does not run in dev"):
            promote(team.clients, "staging", "77")
        with pytest.raises(InputError, match="there is no version 99"):
            promote(team.clients, "staging", "99")
    finally:
        client.models.archive("credit-default", "77")


def test_registry_with_other_bytes_under_that_version_is_noticed(
    team: Team, lifecycle: Lifecycle, tmp_path: Path
) -> None:
    # given a registry in which somebody else was faster with version 1
    registry = f"mlr-{tmp_path.name[-12:].replace('_', '-')}"
    team.edit("project.yml", "registry: mlr-credit-default", f"registry: {registry}")
    digest = lifecycle.first["model"]["digest"].removeprefix("sha256:")
    package = shutil.copytree(lifecycle.clone.folder / ".mlops" / "models" / digest, tmp_path / "package")
    (package / "golden.json").write_text("{}")
    other = Model(name="credit-default", version="1", type="mlflow_model", path=str(package))
    connect_registry(registry).models.create_or_update(other)

    # when, then
    with pytest.raises(PromotionRefused, match="has version 1 of model credit-default with digest"):
        promote(team.clients, "staging", None)
    assert git(team.remote, "branch", "--list", "promote/*") == ""


def test_blocked_promotion_is_not_proposed(team: Team) -> None:
    # given gates that ask for more than any model has
    team.edit("releases/gates.yml", "staging: {min: 0.74, max_drop: 0.01}", "staging: {min: 0.99}")

    # when
    result = promote(team.clients, "staging", None)

    # then
    assert result.exit_code == 1
    assert result.document()["blocking"] == ["roc_auc"]
    assert result.report_file
    assert result.report_file.is_file()
    assert git(team.remote, "branch", "--list", "promote/*") == ""
    records, _ = AuditLog(team.clients.stage("staging")).read()
    assert (records[-1].event.step, records[-1].event.verdict) == ("blocked", "failed")


def test_without_a_remote_the_branch_is_made_here(team: Team) -> None:
    git(team.folder, "remote", "remove", "origin")

    _, proposal = proposed(team)

    assert git(team.folder, "rev-parse", BRANCH) == proposal.commit
    assert "There is no remote" in proposal.pull_request.advice


def test_every_stage_ran_in_the_image_of_the_first(lifecycle: Lifecycle, team: Team) -> None:
    ran = {
        stage: {
            record.event.evidence.get(IMAGE, "")
            for record in AuditLog(team.clients.stage(stage)).read()[0]
            if (record.event.kind, record.event.step) == ("rollout", FINISH) and record.event.version == "1"
        }
        for stage in lifecycle.first["stages"]
    }

    assert list(ran) == ["dev", "staging", "prod"]
    assert len(set.union(*ran.values())) == 1
    assert ran["prod"].pop().startswith("mlops-serving:")


def test_an_image_that_the_stage_before_has_not_run_is_neither_proposed_nor_deployed(team: Team) -> None:
    # given an environment that nobody has deployed yet
    definition = team.folder / "environments" / "serving.yml"
    image = next(line for line in definition.read_text().splitlines() if line.startswith("image: "))
    team.edit("environments/serving.yml", image, f"{image[:-1]}2")

    # when somebody goes on to a stage that builds no images
    for attempt in (
        lambda: promote(team.clients, "staging", None),
        lambda: require_image(
            team.clients.project,
            team.clients.stage,
            "prod",
            image_of(team.clients.project, team.clients.project.settings.stage("prod")),
        ),
    ):
        with pytest.raises(PromotionRefused, match=r"builds no images, and .* has not run in environment"):
            attempt()

    # then it is refused there, and only there: the first stage builds
    first = team.clients.project.settings.stage("dev")
    require_image(team.clients.project, team.clients.stage, "dev", image_of(team.clients.project, first))


def test_jobs_that_ran_in_other_packages_in_an_earlier_stage_stop_a_promotion(team: Team) -> None:
    # given a stage that has measured drift in this revision's packages
    log = AuditLog(team.clients.stage("staging"))
    measured = (
        AuditLog(team.clients.stage("dev"))
        .read()[0][0]
        .event.model_copy(update={"kind": "monitor", "stage": "staging", "step": "monitor"})
    )
    ran = job_image(team.clients.project.path(MONITOR_PIPELINE_FILE))
    log.append(measured.model_copy(update={"evidence": {IMAGE: ran}}))
    require_job_images(team.clients, "prod")

    # when the last measurement, or the deployment that scores files, had others
    log.append(measured.model_copy(update={"evidence": {IMAGE: "mlops-steps:1.0.0 sha256:another"}}))
    with pytest.raises(
        PromotionRefused, match=r"monitor ran in mlops-steps:1\.0\.0 in staging, .* in mlops-steps:.* in prod"
    ):
        require_job_images(team.clients, "prod")

    # then running it again there, as the message says, is enough; also where there was nothing to measure
    log.append(measured.model_copy(update={"evidence": {}}))
    require_job_images(team.clients, "prod")


def test_history_shows_what_happened_and_a_changed_record(team: Team, lifecycle: Lifecycle) -> None:
    # given the log of a stage of its own
    team.edit("project.yml", "workspace: mlw-credit-default-prod", "workspace: mlw-audited")
    clone = Clone(team.folder)
    log = AuditLog(team.clients.stage("prod"))
    promotion = AuditLog(team.clients.stage("staging")).read()[0][0].event
    for reason in ("one", "two", "three"):
        log.append(promotion.model_copy(update={"reason": reason, "stage": "prod"}))
    honest = clone.document("history", "--stage", "prod", **lifecycle.variables)
    assert [each["event"]["reason"] for each in honest["stages"]["prod"]["records"]] == ["one", "two", "three"]

    # when somebody changes a record, and what was noted of it
    workspace = team.clients.stage("prod")
    record = workspace.data.get("audit-log", "2")
    text = record.properties["mlops.record"].replace("two", "2wo")
    record.properties["mlops.record"] = text
    workspace.data.create_or_update(record)

    # then
    done = clone.mlops("history", "--stage", "prod", **lifecycle.variables)
    assert done.returncode == 1
    assert "TAMPERED: record 2 of prod's log" in done.stdout
    assert "TAMPERED: record 3 of prod's log" in done.stdout
