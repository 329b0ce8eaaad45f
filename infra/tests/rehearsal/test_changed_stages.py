"""A stage that exists gets other settings: what holds data is never replaced, and what Azure fixed is not changed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dry_run.result import DryRun, ResourceRecord
from resources.create_only import CREATE_ONLY, CreateOnly
from tests.conftest import STAGES, dry_run_of, run_changed
from tests.rehearsal.azure import Refusal
from tests.rehearsal.engine import ProtectedError
from tests.rehearsal.paths import set_at
from tests.rehearsal.test_over_time import made

KEPT = (
    "resources:ResourceGroup",
    "storage:StorageAccount",
    "storage:BlobContainerImmutabilityPolicy",
    "keyvault:Vault",
    "machinelearningservices:Workspace",
)
PRIVATE = {"access": "private", "isolation": "own", "address_space": "10.40.0.0/16", "package_downloads": True}


def elsewhere(run: DryRun, change: Callable[[ResourceRecord], ResourceRecord]) -> DryRun:
    """The same run, with every resource changed."""
    return replace(run, records=tuple(change(record) if record.azure else record for record in run.records))


def with_value(record: ResourceRecord, path: str, value: Any) -> ResourceRecord:
    inputs = copy.deepcopy(record.inputs)
    set_at(inputs, path, value)
    return replace(record, inputs=inputs)


def in_another_region(record: ResourceRecord) -> ResourceRecord:
    return with_value(record, "location", "northeurope") if "location" in record.inputs else record


def renamed(record: ResourceRecord) -> ResourceRecord:
    inputs = {key: f"{value}-2" if key.endswith("Name") else value for key, value in record.inputs.items()}
    return replace(record, id=f"{record.id}-2", inputs=inputs)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("change", [in_another_region, renamed], ids=["region", "name"])
def test_another_region_or_name_is_refused_before_anything_is_touched(
    stage: str, change: Callable[[ResourceRecord], ResourceRecord]
) -> None:
    # given a stage with data in it
    live = made(dry_run_of(stage))
    before = copy.deepcopy(live.azure.resources)
    # when its region, prefix, generation, or the project's name is another one
    with pytest.raises(ProtectedError, match=r"^resource-group would be replaced because of"):
        live.up(elsewhere(dry_run_of(stage), change))
    # then nothing was deleted or made
    assert live.azure.resources == before


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_replaces_what_holds_data(stage: str) -> None:
    for type_ in KEPT:
        for record in dry_run_of(stage).of(type_):
            assert record.protect, f"{record.name} ({type_})"


@pytest.mark.parametrize("row", CREATE_ONLY, ids=lambda row: f"{row.type_.split(':')[1]}-{row.path}")
def test_what_is_fixed_at_creation_is_reported_by_the_preview(row: CreateOnly) -> None:
    # given that Azure refuses the change
    run = dry_run_of("prod")
    (record, *_) = run.of(row.type_)
    live, other = made(run), with_value(record, row.path, "another")
    with pytest.raises(Refusal, match=r"^(PropertyChangeNotAllowed|PreconditionFailed)") as refused:
        live.azure.update(other)
    assert refused.value.source == row.source
    # then the engine says so before it asks Azure
    with pytest.raises(
        ProtectedError, match=rf"{record.name} would be replaced because of .*{row.path.split('.')[-1]}"
    ):
        live.up(replace(run, records=tuple(other if each.urn == record.urn else each for each in run.records)))


def test_the_next_version_of_a_key_of_ones_own_is_an_update() -> None:
    # given a stage that was made with a key; the table above refuses to add one later
    path = "encryption.keyVaultProperties.keyIdentifier"
    run = dry_run_of("staging")
    workspace = run.one("machinelearningservices:Workspace")

    def with_key(version: str) -> DryRun:
        other = with_value(workspace, path, version)
        return replace(run, records=tuple(other if each.urn == workspace.urn else each for each in run.records))

    assert made(with_key("first")).up(with_key("second")) == ["update workspace"]


def test_an_open_stage_becomes_private_with_its_data() -> None:
    # given an open stage
    live = made(dry_run_of("dev"))
    data = {id_ for id_, (type_, _) in live.azure.resources.items() if type_ in KEPT}
    # when it gets a network of its own
    private = run_changed("dev", {"network": PRIVATE, "serving": "batch"})
    done = live.up(private)
    # then its machines are made again inside, and its data stays where it is
    assert [step for step in done if step.startswith(("replace", "delete"))] == ["replace cpu-cluster"]
    assert data <= set(live.azure.resources)
    assert live.up(private) == []
    # and it cannot lose the network by mistake
    with pytest.raises(ProtectedError, match="virtual-network"):
        live.up(dry_run_of("dev"))


def test_a_new_generation_of_a_half_made_stack_needs_its_protection_taken_away() -> None:
    # given a stack that ended at a name that is taken, and what docs/infrastructure-bad-days.md advises
    run = dry_run_of("dev")
    live = made(run)
    renamed_run = elsewhere(run, renamed)
    with pytest.raises(ProtectedError):
        live.up(renamed_run)
    live.unprotect()
    assert live.up(renamed_run)


def test_kubernetes_goes_in_order_and_production_keeps_it() -> None:
    files_only = {"serving": "batch", "kubernetes": None}
    live = made(dry_run_of("staging"))
    after = run_changed("staging", files_only)
    done = [step for step in live.up(after) if step.startswith("delete ")]
    order = ["delete kubernetes-compute", "delete azureml-extension", "delete pool-scoring", "delete cluster"]
    assert [step for step in done if step in order] == order
    assert live.up(after) == []
    gone = {"containerservice:ManagedCluster", "machinelearningservices:Compute"}
    run = dry_run_of("prod")
    without = replace(run, records=tuple(each for each in run.records if each.azure_type not in gone))
    with pytest.raises(ProtectedError, match=r"cluster, .*kubernetes-compute"):
        made(run).up(without)
