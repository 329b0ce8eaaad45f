"""The inventory is complete: nothing is missing from table, diagram or rights."""

from __future__ import annotations

import subprocess
import sys

from dry_run.result import DryRun
from dry_run.stack_files import FOLDER
from inventory.diagram import diagram_of
from inventory.report import report_of
from inventory.rights import rights_of
from tests.conftest import dry_run_of, run_changed


def test_the_report_names_every_resource(any_stack: DryRun) -> None:
    text = report_of(any_stack, ["resources"])
    assert f"## Resources ({len(any_stack.resources)})" in text
    for record in any_stack.resources:
        assert f"| {record.id.rsplit('/', 1)[-1]} |" in text


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
