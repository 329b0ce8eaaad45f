"""The inventory is complete: nothing is missing from table, diagram or rights."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from dry_run.result import DryRun
from dry_run.stack_files import FOLDER
from inventory.diagram import diagram_of
from inventory.machines import machines_of
from inventory.report import report_of, resources_as_text
from inventory.rights import rights_of
from settings.fields import virtual_cpus
from tests.conftest import dry_run_of, run_changed

GUID = re.compile(r"(?<![\w-])[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_the_report_names_every_resource(any_stack: DryRun) -> None:
    text = report_of(any_stack, ["resources"])
    assert f"## Resources ({len(any_stack.resources)})" in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == len(any_stack.resources)
    # by a name that no other resource of its type has, and no GUID
    assert not [row for row in rows if GUID.search(row[1])]
    named = [(row[0], row[1]) for row in rows]
    assert not [each for each in named if named.count(each) > 1]
    assert not [row for row in rows if row[1] in ("default", "to-log-analytics")]


def test_the_report_says_where_how_large_and_what_of_the_quota() -> None:
    text = report_of(dry_run_of("prod"), ["resources"])
    cluster = next(line for line in text.splitlines() if line.startswith("| machinelearningservices:Compute | cpu-"))
    machines = next(each for each in machines_of(dry_run_of("prod")) if each.resource == "cpu-cluster")
    vcpus = virtual_cpus(machines.size) * machines.most
    assert f"| westeurope | 0 to 4 of {machines.size} | {vcpus} vCPUs of Azure ML |" in cluster
    vault = next(line for line in text.splitlines() if line.startswith("| storage:StorageAccount"))
    assert "| westeurope | Standard_ZRS |" in vault


@pytest.mark.parametrize(
    ("size", "cpus"),
    [("Standard_DS3_v2", 4), ("Standard_DS12_v2", 4), ("Standard_D4ds_v5", 4), ("Standard_E16s_v6", 16)],
)
def test_virtual_cpus_are_read_from_a_sizes_name(size: str, cpus: int) -> None:
    assert virtual_cpus(size) == cpus


def test_every_role_assignment_is_listed(any_stack: DryRun) -> None:
    rights = rights_of(any_stack)
    assert len(rights) == len(any_stack.of("authorization:RoleAssignment"))
    # names, not ids
    assert not [right for right in rights if "-" in right.principal and right.principal.count("-") == 4]


def test_private_resources_are_in_their_subnets() -> None:
    text = diagram_of(dry_run_of("prod"))
    assert text.startswith("flowchart LR\n")
    endpoints, kubernetes = text.index("snet-endpoints"), text.index("snet-kubernetes")
    training, services = text.index("snet-training"), text.index("Azure services")
    assert endpoints < text.index("endpoint_workspace[") < kubernetes < text.index("cluster[") < training
    assert training < text.index("cpu_cluster[") < services
    assert "endpoint_blob --> storage_account" in text
    assert text.count("subgraph") == [line.strip() for line in text.splitlines()].count("end")


def test_the_diagram_of_a_public_stage_has_no_network() -> None:
    assert "Virtual network" not in diagram_of(dry_run_of("dev"))


def test_the_command_prints_a_stack() -> None:
    command = [sys.executable, "-m", "inventory", "--stage", "shared", "--part", "rights"]
    ran = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("# shared\n\n## Who may do what")


def test_two_runs_print_the_same() -> None:
    again = run_changed("dev", {})
    assert report_of(again) == report_of(dry_run_of("dev"))


def test_a_terminal_of_80_columns_shows_region_size_and_quota(any_stack: DryRun) -> None:
    text = resources_as_text(any_stack, 80)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert GUID.search(text) is None
    flat = " ".join(text.split())
    for machines in machines_of(any_stack):
        assert f"of {machines.size} · " in flat
    if machines_of(any_stack):
        assert " vCPUs of Azure ML" in flat
    assert len(any_stack.of("authorization:RoleAssignment")) + flat.count(": ") >= len(any_stack.resources)
