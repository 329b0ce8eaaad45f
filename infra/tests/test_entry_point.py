"""The real __main__.py, in a process of its own, against a stand-in for the engine: preview and up, every stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pulumi.runtime import rpc

from rehearsal.arm_ids import PATHS
from rehearsal.monitor import AZURE
from rehearsal.stack_file import FOLDER, read_config, stack_names
from tests.conftest import changed, rehearsal_of
from tests.engine.stand_in import Told, engine

LAUNCHER = Path(__file__).parent / "engine" / "launcher.py"
LIMIT_SECONDS = 120
PROJECT_YML_STAGE = {"subscription_id", "resource_group", "workspace", "location", "compute", "endpoint", "serving"}
IMPORT_LIMIT_SECONDS = 6


def own_names(type_: str) -> tuple[str, ...]:
    """The input by which a resource is called; none where Azure knows only one such thing."""
    short = type_.removeprefix(AZURE)
    if short == "resources:ResourceGroup":
        return ("resourceGroupName",)
    if short not in PATHS:
        return ()
    _, key = PATHS[short].parts[-1]
    return () if key.startswith("=") else (key,)


def run_program(stack: str, config: dict[str, str], *, preview: bool) -> tuple[int, Told, str]:
    subscription = config.get("azure-native:subscriptionId", "")
    with engine("infra", stack, subscription, preview=preview) as (address, told):
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
        return ran.returncode, told, ran.stderr


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
@pytest.mark.parametrize("stack", stack_names())
def test_the_program_runs(stack: str, preview: bool) -> None:
    # when the real entry point runs
    code, told, stderr = run_program(stack, read_config(stack), preview=preview)
    # then it declares everything, once, with names known beforehand
    assert code == 0, stderr
    assert not told.errors
    assert not told.duplicates
    for request in told.requests:
        inputs = rpc.deserialize_properties(request.object, keep_unknowns=True)
        for key in own_names(request.type):
            assert isinstance(inputs[key], str), f"{request.name}.{key} is not known before the first run"
            assert rpc.UNKNOWN not in inputs[key], f"{request.name}.{key}"
    # and gives what project.yml needs
    if stack in ("dev", "staging", "prod"):
        assert set(told.outputs) >= PROJECT_YML_STAGE | {"registry"}
        for key in PROJECT_YML_STAGE | {"registry"}:
            assert isinstance(told.outputs[key], str), f"{key} is not known before the first run"
            assert rpc.UNKNOWN not in told.outputs[key]
    if stack == "repository":
        assert [request.name for request in told.requests] == ["infra-repository"]


def test_wrong_settings_end_the_program_before_the_first_resource() -> None:
    # given two mistakes
    config = changed("prod", {"network.access": "public", "cpu_cluster.max_nodes": 0})
    # when the program runs
    code, told, stderr = run_program("prod", config, preview=True)
    # then both are named and nothing was declared
    assert code != 0
    assert "network.access" in stderr
    assert "cpu_cluster.max_nodes" in stderr
    assert not [request for request in told.requests if request.custom]


def test_the_program_imports_within_its_limit() -> None:
    # given that azure-native loads a module when it is first used: all that the program uses, loaded
    kinds = {tuple(r.type.split(":")[1:]) for stack in ("prod", "shared") for r in rehearsal_of(stack).resources}
    loading = "; ".join(f"from pulumi_azure_native.{module} import {kind}" for module, kind in sorted(kinds))
    code = f"import time; import stage, shared; {loading}; print(time.process_time())"
    ran = subprocess.run([sys.executable, "-c", code], cwd=FOLDER, capture_output=True, text=True, check=True)
    assert len(kinds) > 30
    print(f"{ran.stdout.strip()} seconds of processor time")
    assert float(ran.stdout) < IMPORT_LIMIT_SECONDS
