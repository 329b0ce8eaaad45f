"""Stacks over time: made, changed, read back, taken down; with what Azure refuses at a second run only."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import pytest

from dry_run.result import DryRun
from dry_run.run import run_stack
from known_differences import DIFFERENCES, known
from tests.conftest import GROUP, SAMPLE, VARIANTS, changed, dry_run_of, run_changed
from tests.rehearsal.azure import Azure, Refusal
from tests.rehearsal.engine import InterruptedUpError, ProtectedError, Stack, without_assignments

STACKS = ("dev", "staging", "prod", "shared")
NEXT_YEAR = date(2027, 2, 11)


def made(run: DryRun) -> Stack:
    """A stack that is up."""
    stack = Stack(Azure(today_of(run)))
    stack.up(run)
    return stack


def today_of(run: DryRun) -> date:
    """The month in which a run declares its budget."""
    for budget in run.of("consumption:Budget"):
        return date.fromisoformat(budget.inputs["timePeriod"]["startDate"][:10])
    return NEXT_YEAR


@cache
def a_year_later(stack: str) -> DryRun:
    return run_stack(stack, changed(stack, {}), SAMPLE, today=NEXT_YEAR)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_stack_is_made_once_and_is_then_unchanged(variant: str) -> None:
    run = dry_run_of(variant)
    stack = Stack(Azure(today_of(run)))
    assert len(stack.up(run)) == len([record for record in run.resources if record.azure])
    assert stack.up(run) == []


@pytest.mark.parametrize("stack", STACKS)
def test_time_alone_changes_nothing(stack: str) -> None:
    live = made(dry_run_of(stack))
    live.azure.today = NEXT_YEAR
    assert live.up(a_year_later(stack)) == []


def test_a_budget_starts_in_the_month_in_which_it_is_made() -> None:
    with pytest.raises(Refusal, match="is not in the current month"):
        Stack(Azure(date(2027, 3, 1))).up(a_year_later("dev"))
    assert Stack(Azure(NEXT_YEAR)).up(a_year_later("dev"))


# What a change of one setting does, and nothing else: the names of the steps.
CHANGES: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "budget": ("staging", {"budget.amount": 901}, {"replace budget"}),
    "budget-notices": ("shared", {"budget.notify_at_percent": [90]}, {"replace budget"}),
    "receivers": ("staging", {"alerts.receivers": ["b@example.com"]}, {"update action-group"}),
    "more-scoring-nodes": ("staging", {"kubernetes.max_nodes": 3}, {"update pool-scoring"}),
    # The router is in three copies from three nodes on.
    "more-sure-nodes": ("staging", {"kubernetes.min_nodes": 1}, {"update pool-scoring", "update azureml-extension"}),
    "certificate": ("staging", {"kubernetes.tls.secret_name": "renewed"}, {"update azureml-extension"}),
    "training-size": ("staging", {"cpu_cluster.size": "Standard_D8ds_v5"}, {"replace cpu-cluster"}),
    "more-training-nodes": ("staging", {"cpu_cluster.max_nodes": 5}, {"update cpu-cluster"}),
    "downloads": (
        "staging",
        {"network.package_downloads": True},
        {"update security-training"},
    ),
    "tags": (
        "shared",
        {"tags": {"cost-centre": "7"}},
        {"update resource-group", "update registry", "update images", "update action-group"},
    ),
    "auditors": ("dev", {"people": {"auditors": GROUP}}, {"create"}),
    "subject": (
        "dev",
        {"ci.github.subject": "immutable", "ci.github.organisation_id": 1, "ci.github.repository_id": 2},
        {"update ci-github"},
    ),
}


@pytest.mark.parametrize(("stack", "changes", "steps"), CHANGES.values(), ids=CHANGES)
def test_a_changed_setting_changes_its_resources_only(stack: str, changes: dict[str, Any], steps: set[str]) -> None:
    # given a stack that was made months ago
    live = made(dry_run_of(stack))
    live.azure.today = NEXT_YEAR
    # when one setting changes
    after = run_stack(stack, changed(stack, changes), SAMPLE, today=NEXT_YEAR)
    done = live.up(after)
    # then Azure takes it, only what it is about changes, and a second run has nothing to do
    assert done
    assert {step for step in done if not any(step.startswith(expected) for expected in steps)} == set()
    assert {expected for expected in steps if not any(step.startswith(expected) for step in done)} == set()
    assert live.up(after) == []


def test_a_change_that_azure_ignores_is_refused_where_it_would_delete_what_is_protected() -> None:
    live = made(dry_run_of("prod"))
    with pytest.raises(ProtectedError, match=r"cpu-cluster would be replaced because of .*vmSize"):
        live.up(run_changed("prod", {"cpu_cluster.size": "Standard_D8ds_v5"}))


@pytest.mark.parametrize("stack", STACKS)
def test_after_a_refresh_only_known_differences_are_updated(stack: str) -> None:
    # given what Azure returns, a year later
    live = made(dry_run_of(stack))
    before = dict(live.state)
    live.azure.today = NEXT_YEAR
    assert live.refresh() == []
    # when the program runs again
    done = live.up(a_year_later(stack))
    # then no number of nodes goes back, no budget is made again, and every update is a known one
    updated = {step.split(" ", 1)[1] for step in done}
    assert all(step.startswith("update ") for step in done), done
    kinds = {record.azure_type for record in before.values() if record.name in updated}
    assert kinds <= {difference.type_ for difference in DIFFERENCES if not difference.kept_by_program}
    for type_ in ("containerservice:AgentPool", "consumption:Budget"):
        assert type_ not in kinds


def test_what_the_program_ignores_is_what_the_table_says() -> None:
    ignored = {
        (record.azure_type, path)
        for stack in STACKS
        for record in dry_run_of(stack).resources
        for path in record.options.ignored
    }
    assert ignored == {(each.type_, each.path) for each in DIFFERENCES if each.kept_by_program}


def test_a_difference_is_known_at_its_path_and_below_only() -> None:
    assert known("monitor:DiagnosticSetting", "metrics[0].enabled")
    assert known("containerservice:ManagedCluster", "agentPoolProfiles")
    assert not known("containerservice:ManagedCluster", "agentPoolProfiles[0].vmSize")
    assert not known("storage:StorageAccount", "allowSharedKeyAccess")


@pytest.mark.parametrize("stack", ["dev", "staging"])
def test_a_stage_is_destroyed_and_made_again_once_its_names_are_free(stack: str) -> None:
    run = dry_run_of(stack)
    live = made(run)
    # when it is destroyed, after `pulumi state unprotect --all`
    with pytest.raises(ProtectedError, match="workspace"):
        live.destroy()
    live.unprotect()
    live.destroy()
    # then everything is gone; the names of workspace and vault are taken
    assert live.azure.resources == {}
    assert len(live.azure.soft_deleted) == 2
    with pytest.raises(Refusal, match="purge or recover"):
        Stack(live.azure).up(run)
    for id_ in list(live.azure.soft_deleted):
        live.azure.purge(id_)
    assert Stack(live.azure).up(run)


def test_endpoints_of_mlops_are_deleted_before_the_workspace() -> None:
    live = made(dry_run_of("dev"))
    workspace = dry_run_of("dev").one("machinelearningservices:Workspace").id.lower()
    live.azure.endpoints.add(workspace)
    live.unprotect()
    with pytest.raises(Refusal, match="online endpoints"):
        live.destroy()
    live.azure.endpoints.clear()
    live.destroy()
    assert live.azure.resources == {}


@pytest.mark.parametrize("stack", ["prod", "shared-people"])
def test_what_is_protected_and_locked_is_destroyed_after_both_were_taken_away(stack: str) -> None:
    live = made(dry_run_of(stack))
    with pytest.raises(ProtectedError):
        live.destroy()
    live.unprotect()
    # Azure refuses nothing: the locks wait for what is under them, so they go before it.
    live.destroy()
    assert live.azure.resources == {}


REVOKED = "ci-blob-contributor-on-storage"


def test_a_right_under_a_lock_is_revoked_while_the_lock_is_off() -> None:
    # given production, and a reviewed change that revokes a right on its data
    live = made(dry_run_of("prod"))
    unlocked = run_changed("prod", {"locked": False})
    # then Azure refuses it under the lock
    with pytest.raises(Refusal, match="ScopeLocked") as refused:
        live.up(without_assignments(dry_run_of("prod"), REVOKED))
    assert refused.value.source.endswith("lock-resources")
    # and takes it in the documented order: lock off, right revoked, lock on
    assert sorted(live.up(unlocked)) == ["delete storage-lock", "delete vault-lock"]
    assert live.up(without_assignments(unlocked, REVOKED)) == [f"delete {REVOKED}"]
    assert sorted(live.up(without_assignments(dry_run_of("prod"), REVOKED))) == [
        "create storage-lock",
        "create vault-lock",
    ]


def test_a_stages_rights_on_the_registry_are_revoked_while_the_registrys_lock_is_off() -> None:
    shared = made(dry_run_of("shared"))
    dev = Stack(shared.azure)
    dev.up(dry_run_of("dev"))
    dev.unprotect()
    with pytest.raises(Refusal, match="keep-the-models"):
        dev.destroy()
    assert shared.up(run_changed("shared", {"locked": False})) == ["delete registry-lock"]
    dev.destroy()
    assert shared.up(dry_run_of("shared")) == ["create registry-lock"]


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_an_interrupted_run_is_continued(stack: str) -> None:
    run = dry_run_of(stack)
    whole = len([record for record in run.resources if record.azure])
    for steps in range(1, whole, 9):
        live = Stack(Azure(today_of(run)))
        with pytest.raises(InterruptedUpError):
            live.up(run, interrupted_after=steps)
        assert len(live.up(run)) == whole - steps
        assert live.up(run) == []


def test_resources_without_their_state_are_adopted_or_overwritten() -> None:
    # given that the run ended before the state was written
    run = dry_run_of("staging")
    live = made(run)
    again = Stack(live.azure)
    # then the next one makes the same names again, and Azure accepts each of them
    assert again.up(run)
    assert again.up(run) == []


def test_an_identity_that_was_made_again_gets_its_rights() -> None:
    # given an identity that somebody deleted: its assignments stay behind, and Azure gives the new one another id
    run = dry_run_of("dev")
    live = made(run)
    old = run.one("managedidentity:UserAssignedIdentity", "identity-compute")
    live.azure.delete(old.azure_type, old.id)
    assert live.refresh() == ["gone identity-compute", "gone ci-identity-operator-on-compute-identity"]
    assignments = {record.urn for record in run.of("authorization:RoleAssignment") if "compute-" in record.name[:8]}
    again = replace(
        run,
        records=tuple(
            replace(
                record, id=f"{record.id}-2", inputs=record.inputs | {"principalId": GROUP, "roleAssignmentName": "2"}
            )
            if record.urn in assignments
            else record
            for record in run.records
        ),
    )
    # when the program runs again, also without a state of the assignments
    for urn in list(assignments)[:1]:
        del live.state[urn]
    done = [step for step in live.up(again) if not step.startswith("update ")]  # known differences
    # then each is made under a new name, and none is refused
    assert {step.split(" ", 1)[0] for step in done} == {"create", "replace"}
    assert len(done) == len(assignments) + 2


def test_an_assignments_name_follows_its_principal() -> None:
    names = {
        (record.inputs["scope"], record.inputs["principalId"], record.inputs["roleDefinitionId"]): record.inputs[
            "roleAssignmentName"
        ]
        for variant in ("dev", "staging", "prod", "ci")
        for record in dry_run_of(variant).of("authorization:RoleAssignment")
    }
    assert len(set(names.values())) == len(names)
