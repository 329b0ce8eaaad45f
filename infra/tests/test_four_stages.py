"""A fourth stage: preprod between staging and prod, in a copy of the program, needs settings only and no code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inventory.changes import snapshot
from roles import Role
from tests.conftest import copy_project

STAGES = ("dev", "staging", "preprod", "prod")
REPOSITORY = "  infra:github: {organisation: example-org, repository: credit-default, reviewer_team_ids: [7]}\n"
CREDENTIAL = "managedidentity:FederatedIdentityCredential"


def replaced(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def edit(file: Path, *changes: tuple[str, str]) -> None:
    file.write_text(replaced(file.read_text(), *changes))


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What every stack of the four-stage project declares."""
    root = tmp_path_factory.mktemp("four-stages")
    program = copy_project(root)
    # The stage in project.yml, and its own stack file: three lines differ from staging's.
    edit(root / "project.yml", ("  - name: prod", "  - name: preprod\n  - name: prod"))
    staging = (program / "Pulumi.staging.yaml").read_text()
    preprod = replaced(staging, ("10.20.0.0", "10.25.0.0"), ("score.staging.", "score.preprod."))
    (program / "Pulumi.preprod.yaml").write_text(preprod)
    # Once it is deployed, CI's identities across the stages.
    guid = "00000000-0000-0000-0000-000000000000"
    edit(program / "Pulumi.ci.yaml", (f"    prod: {guid}", f"    preprod: {guid}\n    prod: {guid}"))
    # Its environments, as for any stage.
    edit(
        root / "releases" / "protection.yml",
        ("    staging: {}\n", "    staging: {}\n    preprod: {}\n"),
        ("    infra-staging: {}\n", "    infra-staging: {}\n    infra-preprod: {}\n"),
    )
    edit(
        program / "Pulumi.repository.yaml", ("  infra:project: credit-default\n", "  infra:project: x-y\n" + REPOSITORY)
    )
    return snapshot(program)


def inputs(stack: dict[str, Any], type_: str) -> dict[str, dict[str, Any]]:
    """The inputs of a stack's resources of a type, by their name."""
    return {key.partition(" ")[2]: value for key, value in stack["resources"].items() if key.startswith(f"{type_} ")}


def test_every_stack_is_valid(stacks: dict[str, Any]) -> None:
    assert set(stacks) == {*STAGES, "shared", "ci", "repository"}
    assert not {name: stack["problem"] for name, stack in stacks.items() if "problem" in stack}


def test_each_stage_has_a_federated_identity_for_its_environment(stacks: dict[str, Any]) -> None:
    for stage in STAGES:
        (credential,) = inputs(stacks[stage], CREDENTIAL).values()
        assert credential["subject"] == f"repo:example-org/credit-default:environment:{stage}"


def test_ci_has_an_identity_per_stage_that_deploys_its_stack(stacks: dict[str, Any]) -> None:
    subjects = {credential["subject"].rpartition(":")[2] for credential in inputs(stacks["ci"], CREDENTIAL).values()}
    across = {"gate", "promotion", "retraining", "infra-preview", "infra-shared"}
    assert subjects == across | {f"infra-{stage}" for stage in STAGES}
    rights = stacks["ci"]["rights"]
    for stage in STAGES:
        assert f"infra-{stage}: Contributor on rg-credit-default-{stage}" in rights


def test_the_repository_has_every_environment(stacks: dict[str, Any]) -> None:
    names = {name for key in stacks["repository"]["resources"] if "environment-" in (name := key.partition(" ")[2])}
    assert {f"environment-{stage}" for stage in STAGES} <= names
    assert {f"environment-infra-{stage}-branch" for stage in STAGES} <= names


def test_promotion_reaches_all_stages_and_retraining_writes_up_to_the_second(stacks: dict[str, Any]) -> None:
    assignments = inputs(stacks["ci"], "authorization:RoleAssignment")
    publishing = {name for name in assignments if name.startswith("promotion-event-sender-on-")}
    assert publishing == {f"promotion-event-sender-on-{stage}-events-topic" for stage in STAGES[1:]}
    writing = {name for name in assignments if name.startswith("retraining-blob-contributor-on-")}
    assert writing == {"retraining-blob-contributor-on-dev-storage", "retraining-blob-contributor-on-staging-storage"}


def test_only_the_last_stage_is_protected_and_may_not_publish(stacks: dict[str, Any]) -> None:
    # What holds data is protected in every stage, and everything else in the last one.
    identity = "managedidentity:UserAssignedIdentity identity-ci"
    protected = {stage for stage in STAGES if stacks[stage]["resources"][identity]["(protect)"]}
    assert protected == {"prod"}
    assignments = inputs(stacks["ci"], "authorization:RoleAssignment")
    publish = {
        stage
        for stage in STAGES
        if Role.REGISTRY_USER.id
        in assignments[f"infra-{stage}-access-administrator-on-shared-model-registry"]["condition"]
    }
    assert publish == {"dev", "staging", "preprod"}


def test_stages_share_no_names(stacks: dict[str, Any]) -> None:
    accounts = [json.dumps(inputs(stacks[stage], "storage:StorageAccount")) for stage in STAGES]
    assert len(set(accounts)) == len(STAGES)
    spaces = [
        inputs(stacks[stage], "network:VirtualNetwork")["virtual-network"]["addressSpace"] for stage in STAGES[1:]
    ]
    assert len({json.dumps(space) for space in spaces}) == len(spaces)
