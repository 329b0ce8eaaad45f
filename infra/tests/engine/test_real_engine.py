"""Pulumi's real engine previews every stack against a stub of the provider, where its command line is on PATH.

`uv run --directory infra pytest tests/engine/test_real_engine.py`. Nothing is created, nobody logs in, and no state
outside a temporary folder is read or written.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Generator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty  # ty: ignore[import-not-found]
from google.protobuf.struct_pb2 import Struct  # ty: ignore[import-not-found]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN, _special_secret_sig, _special_sig_key

from settings.project import ROOT
from tests.conftest import GROUP, STACKS, copy_project, dry_run_of
from tests.engine.stub_provider import VERSION, stub_provider

LIMIT_SECONDS = 200
SIGNATURE, SECRET = _special_sig_key, _special_secret_sig
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


def struct(values: dict[str, Any]) -> Struct:
    properties = Struct()
    properties.update(values)
    return properties


@pytest.fixture
def provider() -> Generator[Any]:
    with stub_provider() as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)


def test_the_stub_is_attached_and_configured_as_the_engine_does_it(provider: Any) -> None:
    # given what the engine calls before the first resource, in its order
    # then an older provider says that it knows no handshake, and nothing else
    with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
        provider.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"))
    provider.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:1"))
    assert provider.GetPluginInfo(Empty()).version == VERSION
    assert json.loads(provider.GetSchema(provider_pb2.GetSchemaRequest()).schema) == {}
    config = struct({"location": "westeurope", "subscriptionId": GROUP})
    urn = "urn:pulumi:dev::infra::pulumi:providers:azure-native::default"
    checked = provider.CheckConfig(provider_pb2.CheckRequest(urn=urn, news=config))
    assert (checked.inputs, list(checked.failures)) == (config, [])
    compared = provider.DiffConfig(provider_pb2.DiffRequest(urn=urn, olds=config, news=config))
    assert compared.changes == provider_pb2.DiffResponse.DIFF_NONE
    configured = provider.Configure(provider_pb2.ConfigureRequest(args=checked.inputs, acceptSecrets=True))
    assert (configured.acceptSecrets, configured.supportsPreview, configured.acceptResources) == (True, True, True)
    provider.Cancel(Empty())


def test_the_stub_previews_every_resource_of_prod_and_creates_none(provider: Any) -> None:
    for record in (each for each in dry_run_of("prod").resources if each.azure):
        inputs = struct(json.loads(json.dumps(record.inputs)))
        # The engine marks what only Azure will know, and what is secret, by signatures: they come back as they went.
        inputs.update({"unknown": UNKNOWN, "secret": {SIGNATURE: SECRET, "value": "s"}})
        checked = provider.Check(provider_pb2.CheckRequest(urn=record.urn, news=inputs, randomSeed=b"seed"))
        assert (checked.inputs, list(checked.failures)) == (inputs, []), record.name
        create = provider_pb2.CreateRequest(urn=record.urn, properties=checked.inputs, preview=True)
        previewed = provider.Create(create)
        assert (previewed.id, previewed.properties) == ("", inputs), record.name
        same = provider.Diff(provider_pb2.DiffRequest(id="i", urn=record.urn, olds=inputs, news=inputs))
        other = provider.Diff(provider_pb2.DiffRequest(id="i", urn=record.urn, olds=inputs, news=struct({})))
        assert (same.changes, other.changes) == (
            provider_pb2.DiffResponse.DIFF_NONE,
            provider_pb2.DiffResponse.DIFF_SOME,
        )
        create.preview = False
        with pytest.raises(grpc.RpcError, match=r"FAILED_PRECONDITION\n\s+details = \"the stub creates nothing"):
            provider.Create(create)


def test_the_version_of_the_stub_is_the_locked_one() -> None:
    # The engine asks for the provider in the version of the program's library.
    assert version("pulumi-azure-native") == VERSION


def test_ci_installs_the_engine_in_the_librarys_version() -> None:
    action = ROOT / ".github" / "actions" / "pulumi" / "action.yml"  # a fork may have no CI on GitHub
    if action.is_file():
        assert f"pulumi-version: {version('pulumi')}\n" in action.read_text(encoding="utf-8")
