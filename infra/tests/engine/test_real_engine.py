"""Pulumi's real engine previews every stack against a stub of the provider, where its command line is on PATH.

`uv run --directory infra pytest tests/engine/test_real_engine.py`. Nothing is created, nobody logs in, and no state
outside a temporary folder is read or written.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct  # ty: ignore[import-not-found]
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from settings.project import ROOT
from tests.conftest import STACKS, copy_project, dry_run_of
from tests.engine.stub_provider import stub_provider

LIMIT_SECONDS = 200
with_engine = pytest.mark.skipif(
    shutil.which("pulumi") is None, reason="pulumi is not on PATH: the real engine previews nothing here"
)


def pulumi(program: Path, port: int, *words: str) -> subprocess.CompletedProcess[str]:
    home = program.parent / "pulumi"
    home.mkdir(exist_ok=True)
    environment = os.environ | {
        "PULUMI_BACKEND_URL": f"file://{home}",
        "PULUMI_HOME": str(home),
        "PULUMI_CONFIG_PASSPHRASE": "not a secret: the state is temporary",
        "PULUMI_DEBUG_PROVIDERS": f"azure-native:{port}",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    return subprocess.run(
        ["pulumi", *words, "--cwd", str(program), "--non-interactive"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@with_engine
@pytest.mark.parametrize("stack", STACKS)
def test_the_real_engine_plans_to_create_what_the_dry_run_declares(stack: str, tmp_path: Path) -> None:
    program = copy_project(tmp_path / "project")
    # its own environment is this one: nothing is installed
    (program / "Pulumi.yaml").write_text("name: infra\nruntime: python\n")
    with stub_provider() as port:
        created = pulumi(program, port, "stack", "init", stack)
        assert created.returncode == 0, created.stderr
        done = pulumi(program, port, "preview", "--stack", stack, "--json")
    assert done.returncode == 0, f"{done.stdout[-4000:]}{done.stderr}"
    steps = json.loads(done.stdout)["steps"]
    planned = {step["urn"].rsplit("::", 2)[1].split("$")[-1] + " " + step["urn"].rsplit("::", 1)[1] for step in steps}
    declared = {f"{record.type} {record.name}" for record in dry_run_of(stack).records}
    assert declared <= planned
    assert {step["op"] for step in steps} == {"create"}


def test_the_stub_answers_a_preview_and_refuses_to_create() -> None:
    properties = Struct()
    properties.update({"location": "westeurope"})
    with stub_provider() as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        provider = provider_pb2_grpc.ResourceProviderStub(channel)
        checked = provider.Check(provider_pb2.CheckRequest(urn="urn", news=properties))
        previewed = provider.Create(provider_pb2.CreateRequest(urn="urn", properties=checked.inputs, preview=True))
        with pytest.raises(grpc.RpcError, match="creates nothing"):
            provider.Create(provider_pb2.CreateRequest(urn="urn", properties=properties))
    assert previewed.properties == properties
    assert previewed.id == ""


def test_ci_installs_the_engine_in_the_librarys_version() -> None:
    action = ROOT / ".github" / "actions" / "pulumi" / "action.yml"  # a fork may have no CI on GitHub
    if action.is_file():
        assert f"pulumi-version: {version('pulumi')}\n" in action.read_text(encoding="utf-8")
