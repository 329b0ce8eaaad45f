"""`mlops replay` in a shell that points to the emulator: after a login, steps reach the emulator and nothing else."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socketserver
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from azureml_emulator.testing import running_emulator
from workflow_replay.testing import Origin

ROOT = Path(__file__).parents[4]
STATUS = f"{shlex.quote(sys.executable)} -m mlops status --json"
FILES = {
    ".github/workflows/a.yml": f"""
on: push
permissions: {{id-token: write, contents: read}}
jobs:
  a:
    runs-on: ubuntu-24.04
    environment: dev
    steps:
      - uses: actions/checkout@v6
      - uses: azure/login@v3
        with: {{client-id: a, tenant-id: b, subscription-id: c}}
      - run: {STATUS}
""",
    "azure-pipelines.yml": f"""
trigger: [main]
steps:
  - task: AzureCLI@2
    inputs:
      azureSubscription: dev
      scriptType: bash
      scriptLocation: inlineScript
      inlineScript: {STATUS}
    env: {{SYSTEM_ACCESSTOKEN: $(System.AccessToken)}}
""",
}


class Proxy(socketserver.ThreadingTCPServer):
    """A proxy that refuses all requests, and records them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Refusal)
        self.requests: list[str] = []


class Refusal(socketserver.StreamRequestHandler):
    """One connection."""

    def handle(self) -> None:
        assert isinstance(self.server, Proxy)
        self.server.requests.append(self.rfile.readline().decode(errors="replace").strip())
        self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")


@contextmanager
def recording_proxy() -> Generator[Proxy]:
    with Proxy() as proxy:
        Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with running_emulator(tmp_path_factory.mktemp("emulator"), background_start="lazy") as running:
        yield running.variables


@pytest.mark.xdist_group("replay-emulator")
@pytest.mark.parametrize("file", FILES)
def test_steps_reach_the_emulator_and_nothing_else(tmp_path: Path, emulator: dict[str, str], file: str) -> None:
    origin = Origin(tmp_path / "repository")
    for name in ("releases", "endpoints"):
        shutil.copytree(ROOT / name, origin.work / name)
    origin.commit({file: FILES[file], "project.yml": (ROOT / "project.yml").read_text()})

    with recording_proxy() as proxy:
        address = f"http://127.0.0.1:{proxy.server_address[1]}"
        shell = (
            os.environ | emulator | dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), address)
        )
        shell |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
        command = [sys.executable, "-m", "mlops", "replay", file, "--json"]
        done = subprocess.run(command, cwd=origin.work, env=shell, capture_output=True, text=True, check=False)

    run = json.loads(done.stdout)
    assert done.returncode == 0, (run, done.stderr)
    status = json.loads(run["jobs"][0]["steps"][-1]["output"][-1])
    assert set(status["stages"]) == {"dev", "staging", "prod"}
    assert proxy.requests == []
