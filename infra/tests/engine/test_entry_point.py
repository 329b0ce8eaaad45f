"""The real __main__.py, in a process of its own, against a fake engine: preview and up, every live stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pulumi.runtime import rpc

from dry_run.kinds import AZURE, kind_of
from dry_run.stack_files import FOLDER, read_config, stack_names
from settings.project import read_stages
from tests.conftest import changed, dry_run_of
from tests.engine.fake_engine import Recorded, engine

LAUNCHER = Path(__file__).with_name("launcher.py")
LIMIT_SECONDS = 120
PROJECT_YML_STAGE = {"subscription_id", "resource_group", "workspace", "location", "compute", "endpoint", "serving"}
# Far above what it takes: imports that hang or load everything show, a slow machine does not.
IMPORT_LIMIT_SECONDS = 60


def name_inputs(type_: str) -> tuple[str, ...]:
    """The input that names a resource; none where Azure has only one such resource, or it is not Azure's.

    A role assignment is named after its principal's id, which Azure gives.
    """
    if not type_.startswith(AZURE) or type_ == f"{AZURE}authorization:RoleAssignment":
        return ()
    name = kind_of(type_.removeprefix(AZURE)).name_input
    return () if name is None else (name,)


def run_program(stack: str, config: dict[str, str], *, preview: bool) -> tuple[int, Recorded, str]:
    subscription = config.get("azure-native:subscriptionId", "")
    with engine("infra", stack, subscription, preview=preview) as (address, recorded):
        command = [sys.executable, str(LAUNCHER), "--engine", address, "--project", "infra", "--stack", stack]
        command += ["--folder", str(FOLDER)] + (["--preview"] if preview else [])
        ran = subprocess.run(
            command,
            env={**os.environ, "PULUMI_CONFIG": json.dumps(config), "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        return ran.returncode, recorded, ran.stderr


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
@pytest.mark.parametrize("stack", stack_names())
def test_the_program_runs(stack: str, preview: bool) -> None:
    # when the real entry point runs
    code, recorded, stderr = run_program(stack, read_config(stack), preview=preview)
    # then it declares every resource once, with names that are known beforehand
    assert code == 0, stderr
    assert not recorded.errors
    assert not recorded.duplicates
    for request in recorded.requests:
        inputs = rpc.deserialize_properties(request.object, keep_unknowns=True)
        for key in name_inputs(request.type):
            assert isinstance(inputs[key], str), f"{request.name}.{key} is not known before the first run"
            assert rpc.UNKNOWN not in inputs[key], f"{request.name}.{key}"
    # and outputs what project.yml needs
    if stack in read_stages().names:
        assert set(recorded.outputs) >= PROJECT_YML_STAGE | {"registry"}
        for key in PROJECT_YML_STAGE | {"registry"}:
            assert isinstance(recorded.outputs[key], str), f"{key} is not known before the first run"
            assert rpc.UNKNOWN not in recorded.outputs[key]


def test_wrong_settings_end_the_program_before_the_first_resource() -> None:
    # given two mistakes in a stage's settings
    config = changed("prod", {"network.access": "public", "cpu_cluster.max_nodes": 0})
    stage = read_stages().names[-1]
    # when the program runs
    code, recorded, stderr = run_program(stage, config, preview=True)
    # then both are named and nothing was declared
    assert code != 0
    assert "network.access" in stderr
    assert "cpu_cluster.max_nodes" in stderr
    assert not [request for request in recorded.requests if request.custom]


def test_the_program_imports_within_its_limit() -> None:
    # given that azure-native loads a module when it is first used: all that the program uses, loaded
    kinds = {tuple(r.type.split(":")[1:]) for stack in ("prod", "shared") for r in dry_run_of(stack).resources}
    loading = "; ".join(f"from pulumi_azure_native.{module} import {kind}" for module, kind in sorted(kinds))
    code = f"import time; import stage, shared; {loading}; print(time.process_time())"
    ran = subprocess.run([sys.executable, "-c", code], cwd=FOLDER, capture_output=True, text=True, check=True)
    assert len(kinds) > 30
    print(f"{ran.stdout.strip()} seconds of processor time")
    assert float(ran.stdout) < IMPORT_LIMIT_SECONDS
