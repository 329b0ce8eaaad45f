"""Serverless Spark: off as shipped; where it is on, its identity, its rights, its network and its quota."""

from __future__ import annotations

import pytest

from inventory.machines import machines_of
from inventory.rights import rights_of
from roles import Role
from tests.conftest import STAGES, dry_run_of

WORKSPACE, ACCOUNT = "machinelearningservices:Workspace", "storage:StorageAccount"


@pytest.mark.parametrize("stage", STAGES)
def test_it_is_off_as_shipped(stage: str) -> None:
    run = dry_run_of(stage)
    assert "spark" not in run.outputs
    assert len(run.one(WORKSPACE).inputs["identity"]["userAssignedIdentities"]) == 1
    assert not [each for each in machines_of(run) if each.resource.endswith("/spark")]


@pytest.mark.parametrize(
    ("variant", "principals"),
    [("dev-everything", {"compute", "data_scientists"}), ("staging-managed", {"compute"})],
)
def test_jobs_have_an_identity_of_the_workspace_with_both_roles_on_the_data(variant: str, principals: set[str]) -> None:
    run = dry_run_of(variant)
    given = run.one(WORKSPACE).inputs["identity"]["userAssignedIdentities"]
    assert any(identity.endswith("-compute") for identity in given)
    account = run.one(ACCOUNT).id
    for role in (Role.CONTRIBUTOR, Role.BLOB_CONTRIBUTOR):
        holders = {each.principal for each in rights_of(run) if (each.scope_id, each.role_id) == (account, role.id)}
        assert principals <= holders
        # People write nowhere but in the first stage.
        assert ("data_scientists" in holders) is ("data_scientists" in principals)


def test_in_a_managed_network_it_reaches_the_storage_and_nothing_else() -> None:
    run = dry_run_of("staging-managed")
    network = run.one(WORKSPACE).inputs["managedNetwork"]
    destinations = [rule["destination"] for rule in network["outboundRules"].values()]
    assert {each["subresourceTarget"] for each in destinations} == {"blob", "file"}
    assert all(each["sparkEnabled"] is True for each in destinations)
    assert {each["serviceResourceId"] for each in destinations} == {run.one(ACCOUNT).id}
    assert "outboundRules" not in dry_run_of("prod-managed").one(WORKSPACE).inputs["managedNetwork"]


def test_its_machines_count_for_the_quota_of_azure_ml() -> None:
    spark = next(each for each in machines_of(dry_run_of("staging-managed")) if each.resource == "workspace/spark")
    # eight executors and a driver
    assert (spark.service, spark.size, spark.count) == ("Azure ML", "Standard_E4s_v3", "0 to 9")


def test_a_job_learns_what_it_may_ask_for() -> None:
    assert dry_run_of("staging-managed").outputs["spark"] == {"instance_type": "standard_e4s_v3", "max_executors": 8}
