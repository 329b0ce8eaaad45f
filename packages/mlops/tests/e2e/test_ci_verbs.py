"""The verbs that CI runs, between real stages: training in two parts, gates of a range, waiting, reverting."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.ai.ml import MLClient

from mlops.audit.log import AuditLog
from mlops.audit.record import Event
from mlops.core.errors import InputError
from mlops.models.data_asset import find_data
from mlops.promotion.promote import promote
from mlops.promotion.range_gate import gate_range
from mlops.promotion.readiness import not_yet
from mlops.promotion.revert import revert
from mlops.promotion.stage_state import read_promotion
from mlops.training.run import finish_training
from model_package.digest import file_sha256

from .conftest import Clone, Lifecycle, Team, git

pytestmark = pytest.mark.xdist_group("e2e")
BAD_DIGEST = "sha256:" + "0" * 64


def released(team: Team) -> None:
    """What dev runs, released to staging by a merge."""
    proposal = promote(team.clients, "staging", None).proposed
    assert proposal
    team.merge(proposal.branch)
    git(team.folder, "push", "-q", "origin", "main")


def test_training_in_two_parts_hands_over_job_and_version(
    lifecycle: Lifecycle, client: MLClient, tmp_path: Path
) -> None:
    # given a CI system's file for outputs
    output = tmp_path / "output"
    ci = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    words = ("train", "--stage", "dev")

    # when one process begins, another waits, and a third waits once more
    begun = lifecycle.clone.document(*words, "--data-version", "newest", "--submit", **lifecycle.variables, **ci)
    ended = lifecycle.clone.document(*words, "--job", begun["job"], **lifecycle.variables, **ci)
    again = finish_training(client, lifecycle.clone.project, begun["job"])

    # then
    assert ended["model"] == asdict(again.model)
    assert ended["model"]["digest"] == lifecycle.first["model"]["digest"]
    assert [step["name"] for step in ended["steps"]] == begun["steps"]
    assert ended["data"] == begun["data"]
    assert begun["data"]["sha256"] == file_sha256(lifecycle.data)
    found = re.findall(r"^(\w+)<<(\w+)\n(.*)\n\2$", output.read_text(), flags=re.MULTILINE)
    assert {name: value for name, _, value in found} == {
        "job": begun["job"],
        "version": "1",
        "digest": lifecycle.first["model"]["digest"],
    }


def test_data_that_the_workspace_does_not_have_are_told(client: MLClient) -> None:
    with pytest.raises(InputError, match="there is no version 99 of the data asset"):
        find_data(client, "credit-default", "99")
    with pytest.raises(InputError, match="there is no version of the data asset nothing"):
        find_data(client, "nothing", "newest")


def test_a_job_that_is_not_there_is_told(lifecycle: Lifecycle) -> None:
    done = lifecycle.clone.mlops("train", "--stage", "dev", "--job", "no-such-job", **lifecycle.variables)

    assert done.returncode == 2
    assert "there is no job 'no-such-job'" in done.stderr


def test_gate_of_a_range_judges_what_the_stage_does_not_run(team: Team, lifecycle: Lifecycle) -> None:
    # given a stage in which nothing runs, and a release to it
    team.edit("project.yml", "endpoint: credit-default-staging", "endpoint: nothing-staging")
    proposal = promote(team.clients, "staging", None).proposed
    assert proposal
    team.merge(proposal.branch)
    before = AuditLog(team.clients.stage("staging")).read()[0]

    # when
    answer = Clone(team.folder).document("gate", "--since", "HEAD^1", "--no-record", **lifecycle.variables)

    # then
    assert answer["promotes"] is True
    assert set(answer["stages"]) == {"staging"}
    assert AuditLog(team.clients.stage("staging")).read()[0] == before


def test_gate_of_a_range_blocks_bytes_that_are_not_what_was_released(team: Team) -> None:
    released(team)
    digest = promote(team.clients, "staging", None).release.model.digest
    team.edit("releases/staging.yml", digest, BAD_DIGEST)

    result = gate_range(team.clients, "HEAD^1", record=False)

    assert result.exit_code == 1
    assert [each.report.proposal.stage for each in result.judged] == ["staging"]
    assert "digest" in (result.summary or "")
    assert {place.file.name for place in result.locations} == {"staging.yml"}


def test_gate_of_a_range_lets_git_follow_what_runs(team: Team) -> None:
    released(team)

    result = gate_range(team.clients, "HEAD^1", record=False)

    assert (result.exit_code, result.judged) == (0, ())
    assert [stage for stage, _ in result.passed_over] == ["staging"]


def test_promotion_waits_for_the_soak_and_is_not_proposed_twice(team: Team) -> None:
    now = datetime.now(UTC)

    # before the hours are over
    early = not_yet(team.clients, read_promotion(team.clients, "prod"), now)
    assert early
    assert "must run for 24 hours" in early.reason
    assert early.exit_code == 0

    # after them
    assert not_yet(team.clients, read_promotion(team.clients, "prod"), now + timedelta(hours=24)) is None

    # and when it is proposed
    proposal = promote(team.clients, "prod", None).proposed
    assert proposal
    late = not_yet(team.clients, read_promotion(team.clients, "prod"), now + timedelta(hours=24))
    assert late
    assert f"is already proposed, on {proposal.branch}" in late.reason


def test_promotion_does_not_wait_for_a_stage_that_breaks_its_slo(team: Team) -> None:
    # given a promise that no model keeps
    team.edit("releases/staging.yml", "p95_milliseconds: 1150", "p95_milliseconds: 0.001")

    refused = not_yet(team.clients, read_promotion(team.clients, "prod"), datetime.now(UTC) + timedelta(hours=24))

    assert refused
    assert "staging breaks its SLO" in refused.reason


def rolled_back(team: Team, digest: str) -> None:
    event = Event(
        kind="rollback", stage="staging", step="traffic-50", model="credit-default", version="2", digest=digest
    )
    AuditLog(team.clients.stage("staging")).append(event.model_copy(update={"reason": "too slow"}))


def test_revert_proposes_what_runs_once(team: Team) -> None:
    # given a release on top of what runs, which was rolled back
    released(team)
    good = team.manifest("staging").read_text()
    assert "it runs version 1, as in git" in revert(team.clients, "staging").reason
    digest = f"sha256:{datetime.now(UTC).timestamp():064.0f}"
    live = promote(team.clients, "staging", None).release.model.digest
    team.edit("releases/staging.yml", live, digest)
    assert "no rollback is recorded" in revert(team.clients, "staging").reason
    rolled_back(team, digest)

    # when
    first, again = revert(team.clients, "staging"), revert(team.clients, "staging")

    # then
    assert first.proposed
    assert again.proposed
    assert first.proposed.commit == again.proposed.commit
    assert git(team.remote, "show", f"{first.proposed.branch}:releases/staging.yml") == good.strip()
    assert "too slow" in git(team.remote, "log", "-1", "--format=%B", first.proposed.branch)
    team.merge(first.proposed.branch)
    assert gate_range(team.clients, "HEAD^1", record=False).exit_code == 0


def test_revert_of_a_first_release_that_never_ran_releases_nothing(team: Team) -> None:
    # given a stage in which nothing runs
    empty = team.manifest("staging").read_text()
    released(team)
    digest = promote(team.clients, "staging", None).release.model.digest
    team.edit("project.yml", "endpoint: credit-default-staging", "endpoint: nothing-staging")
    rolled_back(team, digest)

    # when
    result = revert(team.clients, "staging")

    # then
    assert result.proposed
    assert git(team.remote, "show", f"{result.proposed.branch}:releases/staging.yml") == empty.strip()


def test_revert_refuses_what_git_never_released(team: Team) -> None:
    released(team)
    digest = promote(team.clients, "staging", None).release.model.digest
    git(team.folder, "checkout", "-q", "--orphan", "fresh")
    team.manifest("staging").write_text(team.manifest("staging").read_text().replace(digest, BAD_DIGEST))
    git(team.folder, "commit", "-qam", "one commit")
    git(team.folder, "push", "-qf", "origin", "fresh:main")
    rolled_back(team, BAD_DIGEST)

    with pytest.raises(InputError, match="never released"):
        revert(team.clients, "staging")
