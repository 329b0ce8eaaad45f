"""The inventory says what the program makes: nothing is missing from table, diagram or rights."""

from __future__ import annotations

import subprocess
import sys

from inventory.access import rights_of
from inventory.diagram import diagram_of
from inventory.report import report_of
from rehearsal.records import Rehearsal
from rehearsal.run import rehearse
from rehearsal.stack_file import FOLDER
from tests.conftest import rehearsal_of


def test_the_report_names_every_resource(any_rehearsal: Rehearsal) -> None:
    text = report_of(any_rehearsal, ["resources"])
    assert f"## Resources ({len(any_rehearsal.resources)})" in text
    for record in any_rehearsal.resources:
        assert f"| {record.id.rsplit('/', 1)[-1]} |" in text


def test_every_role_assignment_is_in_the_matrix(any_rehearsal: Rehearsal) -> None:
    rights = rights_of(any_rehearsal)
    assert len(rights) == len(any_rehearsal.of("authorization:RoleAssignment"))
    # names, not ids
    assert not [right for right in rights if "-" in right.who and right.who.count("-") == 4]


def test_private_things_stand_in_their_subnets() -> None:
    text = diagram_of(rehearsal_of("prod"))
    assert text.startswith("flowchart LR\n")
    endpoints, kubernetes = text.index("snet-endpoints"), text.index("snet-kubernetes")
    training, services = text.index("snet-training"), text.index("Azure services")
    assert endpoints < text.index("endpoint_workspace[") < kubernetes < text.index("cluster[") < training
    assert training < text.index("cpu_cluster[") < services
    assert "endpoint_blob --> storage_account" in text
    assert text.count("subgraph") == [line.strip() for line in text.splitlines()].count("end")


def test_a_public_stage_has_no_network_in_its_picture() -> None:
    assert "Virtual network" not in diagram_of(rehearsal_of("dev"))


def test_the_command_prints_a_stack() -> None:
    command = [sys.executable, "-m", "inventory", "--stage", "shared", "--part", "rights"]
    ran = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("# shared\n\n## Who may do what")


def test_two_runs_print_the_same() -> None:
    again = rehearse("dev")
    assert report_of(again) == report_of(rehearsal_of("dev"))
