"""What a range of commits changes in the stacks, from git and from the programs of both revisions."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inventory.changes import StackChange, compare
from tests.conftest import SAMPLE, copy_project


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


def changes(folder: Path, since: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "inventory.changes", "--since", since]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program in a repository of its own, below its top, with one stage."""
    folder = copy_project(tmp_path)
    for stack in ("prod", "staging", "repository"):
        (folder / f"Pulumi.{stack}.yaml").unlink()
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    return folder


def test_a_change_shows_its_resources_and_rights(program: Path) -> None:
    # given a change of a right, one of a resource, a new resource, and a new stage
    roles, stack = program / "roles.py", program / "Pulumi.dev.yaml"
    right = "    Grant(Identity.CI, Role.READER, Scope.RESOURCE_GROUP"
    assert right in roles.read_text()
    roles.write_text(roles.read_text().replace(right, right.replace("READER", "CONTRIBUTOR")))
    text = stack.read_text().replace(
        "  infra:cpu_cluster:", "  infra:gpu_cluster: {size: Standard_NC4as_T4_v3, max_nodes: 1}\n  infra:cpu_cluster:"
    )
    stack.write_text(text.replace("amount: 300", "amount: 400"))
    project = program.parent / "project.yml"
    project.write_text(project.read_text().replace("  - name: prod", "  - name: preprod\n  - name: prod"))
    shutil.copy(SAMPLE / "infra" / "Pulumi.staging.yaml", program / "Pulumi.preprod.yaml")

    # when
    done = changes(program, "HEAD")

    # then
    assert done.returncode == 0, done.stderr
    stacks = json.loads(done.stdout)
    dev = stacks["dev"]
    assert not dev["problem"], dev["problem"]
    assert dev["differs"] is True
    assert any("gpu" in name for name in dev["added"])
    assert any("Contributor" in right for right in dev["rights_added"])
    assert any("Reader" in right for right in dev["rights_removed"])
    assert any("budget" in name.lower() for name in dev["changed"])
    # and each revision has its own stages
    assert not stacks["preprod"]["problem"]
    assert "resources:ResourceGroup resource-group" in stacks["preprod"]["added"]


def test_an_unknown_revision_is_reported(program: Path) -> None:
    done = changes(program, "no-such")

    assert done.returncode == 2
    assert "no-such" in done.stderr or "rev-parse" in done.stderr


def test_new_and_deleted_stacks_and_broken_settings() -> None:
    stack = {"resources": {"a b": {"x": 1}}, "rights": ["ci: Reader on group"]}

    new, gone, broken = compare(None, stack), compare(stack, None), compare(stack, {"problem": "no region"})

    assert (new.added, new.rights_added) == (("a b",), ("ci: Reader on group",))
    assert (gone.removed, gone.rights_removed) == (("a b",), ("ci: Reader on group",))
    assert broken.problem == "no region"
    assert broken.differs
    assert not StackChange().differs
    assert compare(stack, stack | {"resources": {"a b": {"x": 2}}}).changed == {"a b": ["x"]}
