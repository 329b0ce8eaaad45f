"""The registry of images that the stages share: one for all of them, found by id, with no more rights than needed."""

from __future__ import annotations

import pytest

from roles import Role, images_roles
from tests.conftest import STAGES, dry_run_of, run_changed
from tests.resources.checklist import CHECKLIST, IMAGES

OPEN = {"container registry network"}  # dev builds from outside of any network


def test_stages_use_one_registry_of_images_that_exists() -> None:
    registry = dry_run_of("shared").one(IMAGES)
    for stage in STAGES:
        run = dry_run_of(stage)
        assert run.one("machinelearningservices:Workspace").inputs["containerRegistry"] == registry.id
        assert run.outputs["images"] == "shared"
        assert not run.of(IMAGES)


def test_a_stage_may_keep_images_of_its_own() -> None:
    run = dry_run_of("prod-drift")
    assert run.one("machinelearningservices:Workspace").inputs["containerRegistry"] == run.one(IMAGES).id
    assert "images" not in run.outputs


def test_the_shared_registry_is_closed_without_a_role() -> None:
    run = dry_run_of("shared-people")
    rows = [row for row in CHECKLIST if row.type_ == IMAGES and row.name not in OPEN]
    assert len(rows) == 4
    assert not [failure for row in rows for failure in row.failures(run)]
    registry = run.one(IMAGES)
    assert registry.protect
    # An image without a tag may be what prod runs.
    assert "retentionPolicy" not in (registry.inputs.get("policies") or {})
    # A copy in every further region, as of the models.
    assert [each.inputs["location"] for each in run.of("containerregistry:Replication")] == ["northeurope"]


def test_a_private_shared_registry_exports_nothing() -> None:
    registry = run_changed("shared", {"public_access": False}).one(IMAGES).inputs
    assert registry["publicNetworkAccess"] == "Disabled"
    assert registry["policies"] == {"exportPolicy": {"status": "disabled"}}


@pytest.mark.parametrize("stage", STAGES)
def test_nodes_and_deployments_only_pull(stage: str) -> None:
    run = dry_run_of(stage)
    registry = dry_run_of("shared").one(IMAGES).id
    granted = {
        (each.name.partition("-")[0], each.inputs["roleDefinitionId"].rpartition("/")[2])
        for each in run.of("authorization:RoleAssignment")
        if each.inputs["scope"] == registry
    }
    assert granted == {
        ("workspace", Role.CONTRIBUTOR.id),
        ("compute", Role.ACR_PULL.id),
        ("endpoint", Role.ACR_PULL.id),
    }


def test_a_managed_network_may_approve_its_endpoint_of_the_images() -> None:
    on_images = [
        each
        for each in dry_run_of("staging-managed").of("authorization:RoleAssignment")
        if each.inputs["scope"] == dry_run_of("shared").one(IMAGES).id
    ]
    assert Role.NETWORK_APPROVER.id in {each.inputs["roleDefinitionId"].rpartition("/")[2] for each in on_images}


def test_ci_may_grant_only_what_stages_need_on_the_shared_registry() -> None:
    registry = dry_run_of("shared").one(IMAGES).id
    granting = [
        each
        for each in dry_run_of("ci").of("authorization:RoleAssignment")
        if each.inputs["scope"] == registry and each.inputs["roleDefinitionId"].endswith(Role.ACCESS_ADMINISTRATOR.id)
    ]
    assert len(granting) == len(STAGES)
    for each in granting:
        assert all(role.id in each.inputs["condition"] for role in images_roles())
        assert Role.BLOB_CONTRIBUTOR.id not in each.inputs["condition"]
