"""A model whose provenance does not hold is not deployed, and the answer names all that is wrong."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mlops.core.errors import ProjectError, PromotionRefused, RolloutFailed
from mlops.githost.interface import builder_of
from mlops.models.registered import read_provenance
from mlops.provenance.statement import parse_statement, state_provenance
from mlops.provenance.verification import require_at_deployment, require_at_promotion
from mlops.settings.policies import allows, read_policy, with_builder
from mlops.settings.stages import StageOrder

from .conftest import POLICY, TRAINING, Case

ORDER = StageOrder(("dev", "staging", "prod"))


def refusal(case: Case) -> str:
    with pytest.raises(RolloutFailed) as caught:
        require_at_deployment(case.project, case.subject)
    assert "`mlops provenance --stage prod`" in caught.value.advice
    return " | ".join(caught.value.details)


def test_what_ci_trained_from_merged_code_is_deployed(case: Case) -> None:
    case.commit(case.statement().text())
    require_at_deployment(case.project, case.subject)
    require_at_promotion(case.project, case.subject, case.statement(), "HEAD")


def test_without_a_statement_nothing_is_deployed_where_one_is_required(case: Case) -> None:
    assert "there is no releases/provenance/credit-default/3.json" in refusal(case)
    require_at_deployment(case.project, dataclasses.replace(case.subject, stage="dev", release=None))


def test_without_a_policy_nothing_is_deployed(case: Case) -> None:
    (case.root / "releases" / "provenance.yml").unlink()
    with pytest.raises(ProjectError, match=r"provenance\.yml does not exist"):
        require_at_deployment(case.project, case.subject)


def test_bytes_that_are_not_those_of_the_statement_are_named(case: Case) -> None:
    case.commit(case.statement().text().replace("model.onnx", "other.onnx"))
    assert "files differ from the statement: 'model.onnx', 'other.onnx'" in refusal(case)


def test_a_statement_about_another_digest_or_version_is_refused(case: Case) -> None:
    text, digest = case.statement().text(), case.subject.model.digest.removeprefix("sha256:")
    case.commit(text.replace(digest, "0" * 64))
    assert f"the statement is about 'sha256:{'0' * 64}'" in refusal(case)
    case.commit(text.replace("credit-default:3", "credit-default:4"))
    assert "the statement is about 'credit-default:4', not credit-default:3" in refusal(case)


def test_a_statement_that_contradicts_the_release_is_refused(case: Case) -> None:
    case.commit(case.statement().text().replace("polite_fox_1", "sly_fox_2"))
    assert "job is 'sly_fox_2' in the statement and 'polite_fox_1' in releases/prod.yml" in refusal(case)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        TRAINING | {"GITHUB_WORKFLOW_REF": "example/credit-default/.github/workflows/train.yml@refs/heads/mine"},
        TRAINING | {"GITHUB_WORKFLOW_REF": "example/credit-default/.github/workflows/other.yml@refs/heads/main"},
        TRAINING | {"GITHUB_WORKFLOW_REF": "somebody/credit-default/.github/workflows/train.yml@refs/heads/main"},
    ],
    ids=["a workstation", "another branch", "another workflow", "a fork"],
)
def test_a_builder_that_the_stage_does_not_name_is_refused(case: Case, environment: dict[str, str]) -> None:
    case.commit(case.statement(environment).text())
    assert "is not one of {origin}/.github/workflows/train.yml@refs/heads/main" in refusal(case)
    with pytest.raises(PromotionRefused):
        require_at_promotion(case.project, case.subject, case.statement(environment), "HEAD")


def test_a_model_of_a_workstation_says_how_ci_trains_it_anew(case: Case) -> None:
    case.commit(case.statement({}).text())
    with pytest.raises(RolloutFailed) as caught:
        require_at_deployment(case.project, case.subject)
    assert "`gh workflow run train.yml -f fresh=true`" in caught.value.advice


def test_code_that_git_does_not_know_or_nobody_merged_is_refused(case: Case) -> None:
    commit = case.statement().commit
    unknown = case.statement().text().replace(commit, "f" * 40)
    case.commit(unknown)
    assert "which git does not have" in refusal(case)
    words = ["git", "-C", str(case.root), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run([*words, "checkout", "-q", "--orphan", "elsewhere"], check=True)
    subprocess.run([*words, "commit", "-q", "--allow-empty", "-m", "Elsewhere"], check=True)
    case.commit(case.statement().text())
    assert "is not in the history of what is deployed" in refusal(case)
    case.demand(commit="known")
    require_at_deployment(case.project, case.subject)


def test_a_hostile_tag_stays_text_in_one_line(case: Case) -> None:
    # given a model version whose tags somebody with rights in dev has written
    hostile = (
        "https://github.com/example/$(touch pwned)\n::set-output name=x::y\n##vso[task.complete]\x1b[2J`touch pwned`"
    )
    known = read_provenance(case.subject.package)
    builder = builder_of({"builder": hostile, "builder_run": hostile, "source": hostile})
    statement = state_provenance(case.subject.model, case.subject.package, known, builder)

    # when it is committed and refused
    case.commit(statement.text())
    case.demand(attestation="required")
    with pytest.raises(RolloutFailed) as caught:
        require_at_deployment(case.project, case.subject)

    # then no line of what is said is one of theirs, and nothing has run
    said = [caught.value.message, caught.value.advice, *caught.value.details]
    assert all(line.isprintable() for line in said)
    assert parse_statement(statement.text(), "here").builder == hostile
    assert not list(case.root.rglob("pwned"))


def test_everything_that_is_wrong_is_named_at_once(case: Case) -> None:
    case.commit(case.statement({}).text().replace("polite_fox_1", "sly_fox_2").replace("model.onnx", "other"))
    assert len(refusal(case).split(" | ")) == 3


def test_an_attestation_of_the_very_statement_is_asked_of_github(case: Case) -> None:
    statement = case.statement()
    digest = case.subject.model.digest.removeprefix("sha256:")
    predicate = json.loads(statement.text())["predicate"]
    builder = TRAINING["GITHUB_WORKFLOW_REF"]
    case.commit(statement.text())
    case.demand(attestation="required")

    # given none, one of another workflow, and one of another statement
    assert "no valid attestation: Error: HTTP 404" in refusal(case)
    case.git_host.attest(digest, "m", builder.replace("train", "other"), statement.predicateType, predicate)
    assert "no attestation fits" in refusal(case)
    case.git_host.attest(digest, "m", builder, statement.predicateType, predicate | {"buildDefinition": {}})
    assert "the attestation and the statement differ" in refusal(case)

    # when the workflow signs it, then it holds
    case.git_host.attest(digest, "m", builder, statement.predicateType, predicate)
    require_at_deployment(case.project, case.subject)


def test_an_attestation_that_cannot_be_asked_for_is_none(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.commit(case.statement().text())
    case.demand(attestation="required")
    only_git = tmp_path / "only-git"
    only_git.mkdir()
    (only_git / "git").symlink_to(shutil.which("git") or "git")
    monkeypatch.setenv("PATH", str(only_git))
    assert "the attestation could not be verified: `gh` is not installed" in refusal(case)


def test_the_shipped_policy_is_strict_where_it_counts() -> None:
    policy = read_policy(POLICY.parents[1], ORDER)
    for demands in (policy.stages["staging"], policy.stages["prod"]):
        assert (demands.statement, demands.commit) == ("required", "merged")
        assert not any(each == "*" for each in demands.builders)


def test_patterns_name_their_own_repository_only() -> None:
    here = "https://github.com/example/credit.default"
    pattern = ("{origin}/.github/workflows/*.yml@refs/heads/main",)
    assert allows(pattern, "https://github.com/example/credit.default/.github/workflows/a.yml@refs/heads/main", here)
    assert not allows(
        pattern, "https://github.com/example/creditXdefault/.github/workflows/a.yml@refs/heads/main", here
    )
    assert not allows(
        pattern, "https://github.com/example/credit.default/.github/workflows/a.yml@refs/heads/main2", here
    )
    assert not allows(pattern, "/.github/workflows/a.yml@refs/heads/main", None)


def test_a_demo_trusts_its_own_machine_and_keeps_the_comments() -> None:
    text = with_builder(POLICY.read_text(), "urn:mlops:builder:workstation", ORDER).decode()
    assert text.startswith("# What provenance a model must have")
    assert text.count("- urn:mlops:builder:workstation") + text.count(", urn:mlops:builder:workstation") == 3
