"""The nightly comparison: what somebody changed is reported, what Azure always returns differently is listed only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dry_run.stack_files import FOLDER
from inventory.drift import changes_of
from known_differences import DIFFERENCES

URN = "urn:pulumi:prod::infra::infra:parts:Storage$azure-native:{type_}::{name}"
SCRIPT = FOLDER.parent / ".ci" / "infra-drift"


def step(type_: str, name: str, *paths: str, operation: str = "update") -> dict[str, Any]:
    """A step of a preview, as the Pulumi command line prints it."""
    diff = {path: {"kind": "update", "inputDiff": False} for path in paths}
    return {"op": operation, "urn": URN.format(type_=type_, name=name), "detailedDiff": diff}


def test_every_known_difference_is_no_change() -> None:
    steps = [step(each.type_, "x", each.path) for each in DIFFERENCES]
    assert all(change.reason for change in changes_of({"steps": steps}))


@pytest.mark.parametrize(
    "changed",
    [
        step("storage:StorageAccount", "storage-account", "publicNetworkAccess"),
        step("containerservice:ManagedCluster", "cluster", "agentPoolProfiles[0].vmSize"),
        step("storage:BlobContainer", "container-audit", operation="create"),
        step("authorization:RoleAssignment", "by-hand", operation="delete"),
    ],
    ids=["a setting", "beside a known one", "deleted in Azure", "not declared any more"],
)
def test_what_somebody_changed_is_reported(changed: dict[str, Any]) -> None:
    unchanged = [
        step("storage:Queue", "event-queue", operation="same"),
        step("storage:Queue", "q", operation="refresh"),
    ]
    (change,) = changes_of({"steps": [*unchanged, changed]})
    assert not change.reason


PULUMI = """#!/bin/sh
case "$1 $2" in
  "stack ls") echo '[{"name": "prod", "current": false}, {"name": "organization/infra/dev", "current": false}]' ;;
  *) cat "$PREVIEW"; exit "${CODE:-0}" ;;
esac
"""


@pytest.mark.parametrize(
    ("stack", "steps", "code", "said"),
    [
        ("staging", [], 0, "does not exist yet"),
        ("prod", [], 0, "Azure matches the stack"),
        ("dev", [step("containerservice:AgentPool", "pool-scoring", "count")], 0, "the autoscaler changes"),
        (
            "prod",
            [step("storage:StorageAccount", "storage-account", "allowBlobPublicAccess")],
            1,
            "Changed by somebody",
        ),
    ],
    ids=["no stack", "unchanged", "known", "changed"],
)
def test_the_job_fails_for_a_stack_that_somebody_changed(
    tmp_path: Path, stack: str, steps: list[dict[str, Any]], code: int, said: str
) -> None:
    # given a Pulumi command line, and uv with the packages of this run
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "pulumi").write_text(PULUMI)
    (bin_ / "uv").write_text(f'#!/bin/sh\ncd infra\nshift 5\nexec "{sys.executable}" "$@"\n')
    for program in bin_.iterdir():
        program.chmod(0o755)
    (tmp_path / "preview.json").write_text(json.dumps({"steps": steps}))
    (tmp_path / "infra").symlink_to(FOLDER)
    # when the job compares
    ran = subprocess.run(
        [str(SCRIPT), stack],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}", "PREVIEW": str(tmp_path / "preview.json")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # then it says what it found
    assert ran.returncode == code, ran.stderr
    assert said in ran.stdout
